"""Boot Quire in QEMU and talk to its shell over the serial line.

Nothing here sleeps for a fixed time.  A wait ends when the pattern comes, when QEMU ends, or when the
guest has been silent for so long that it must be stuck; QUIRE_TIME_SCALE stretches the limits on slow
hosts.  A disk is used as an overlay in memory, so tests never change the image or each other; it is not
locked, so that tests of `make qemu` can use the same image meanwhile.
"""

import codecs
import json
import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from console import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("QUIRE_BUILD", ROOT / "build"))
KERNEL, INITRD, DISK = BUILD / "quire.elf", BUILD / "initrd.cpio", BUILD / "disk.img"

SCALE = float(os.environ.get("QUIRE_TIME_SCALE", "1"))
SILENCE_LIMIT = 300 * SCALE             # seconds without a byte from the guest; its own patience is 60
WAIT_LIMIT = 1200 * SCALE               # seconds for one wait in all

PROMPT = "quire$ "
EXIT_KILLED, EXIT_FAULT = -1024, -1028
PANIC = re.compile(r"^.*\bpanic\b.*$", re.M | re.I)


class MachineError(AssertionError):
    """The guest did not do what was waited for; the message ends with the tail of the console."""


@dataclass
class Result:
    """What a command printed, and its exit status (EXIT_KILLED, EXIT_FAULT if it did not exit)."""
    output: str
    status: int

    @property
    def lines(self):
        return self.output.splitlines()


@dataclass
class Drive:
    """A disk in a raw image, with what -drive may say of it besides: what is written goes to the image."""
    image: Path
    options: str = "cache=unsafe"       # several: comma between them


class Machine:
    """One emulated computer.

    append      the kernel command line
    disk        image for the first disk, or None for a machine without disks
    disks       more images, or Drives
    arguments   more QEMU arguments
    trace       QEMU trace events, written to the file `trace_path`
    icount      count instructions instead of time: one instruction is one nanosecond
    swap        the first program gives the disks' swap partitions to the default pager, as it does for people; most
                tests want to know where anonymous memory is
    """

    alive = []                          # machines of this process, for failure reports

    def __init__(self, name="machine", *, cpus=2, memory="128M", append="", disk=DISK, disks=(),
                 arguments=(), trace=(), icount=False, swap=False, kernel=KERNEL, initrd=INITRD):
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="quire-"))   # short: socket paths have a limit
        self.trace_path = self.folder / "trace"
        self.qmp_path = self.folder / "qmp"
        self.console = ""               # everything the guest printed
        self._kernel = str(kernel)
        self._seen = 0                  # how much of it earlier waits used up
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._boots_to_prompt = not re.search(r"(^|\s)--\s", append)
        if not swap:
            options, _, words = f"{append} ".partition("-- ")
            append = f"{options}-- noswap {words}"
        command = ["qemu-system-riscv64", "-machine", "virt", "-smp", str(cpus), "-m", memory,
                   "-no-reboot", "-global", "virtio-mmio.force-legacy=false",
                   "-display", "none", "-monitor", "none",
                   "-chardev", "stdio,id=c,signal=off", "-serial", "chardev:c",
                   "-qmp", f"unix:{self.qmp_path},server=on,wait=off",
                   "-kernel", str(kernel), "-append", append]
        if initrd:
            command += ["-initrd", str(initrd)]
        if icount:
            command += ["-icount", "shift=0,sleep=off"]
        for number, image in enumerate(([disk] if disk else []) + list(disks)):
            drive = image if isinstance(image, Drive) else Drive(image, "snapshot=on")
            command += ["-drive", f"file={drive.image},file.locking=off,if=none,format=raw,id=d{number},{drive.options}",
                        "-device", f"virtio-blk-device,drive=d{number},bus=virtio-mmio-bus.{number}"]
        for event in trace:
            command += ["-trace", f"enable={event},file={self.trace_path}"]
        self.command = command + list(arguments)
        self._errors = (self.folder / "qemu-errors").open("w+")
        self._qemu = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=self._errors, bufsize=0, preexec_fn=die_with_parent)
        Machine.alive.append(self)

    # --- The console. ---

    def wait_for(self, pattern, *, limit=None):
        """Wait for a regular expression in what was printed since the last wait: the match.

        The text up to the end of the match is used up.
        """
        expression = re.compile(pattern, re.M)
        end = time.monotonic() + (limit or WAIT_LIMIT)
        while True:
            match = expression.search(self.console, self._seen)
            if match:
                self._seen = match.end()
                return match
            if not self._read_more(end):
                match = expression.search(self.console, self._seen)
                if not match:
                    self._fail(f"QEMU ended with status {self._qemu.wait()} before {pattern!r} came")

    def _read_more(self, end):
        """Append the next bytes to the console: False when QEMU has ended."""
        until = min(end, time.monotonic() + SILENCE_LIMIT)
        ready, _, _ = select.select([self._qemu.stdout], [], [], max(0, until - time.monotonic()))
        if not ready:
            self._fail("the time is over" if until == end
                       else f"no output for {SILENCE_LIMIT:.0f} s: the guest is stuck")
        data = os.read(self._qemu.stdout.fileno(), 65536)
        if not data:
            return False
        self.console += self._decoder.decode(data).replace("\r", "")
        panic = PANIC.search(self.console, max(0, self._seen - 200))
        if panic and "\n" in self.console[panic.end():]:
            self._drain()
            self._fail(f"the kernel panicked: {panic[0]}")
        return True

    def _drain(self):
        """Take what is printed right after a panic: its backtrace."""
        while select.select([self._qemu.stdout], [], [], 0.5)[0]:
            data = os.read(self._qemu.stdout.fileno(), 65536)
            if not data:
                return
            self.console += self._decoder.decode(data).replace("\r", "")

    def _fail(self, message):
        where = "\n".join(self.where()) if self.is_running() else "QEMU has ended"
        raise MachineError(f"{self.name}: {message}\n--- harts ---\n{where}\n"
                           f"--- end of the console ---\n{self.tail()}")

    def where(self):
        """What each hart executes now, one line each; of the kernel with its function and source line."""
        try:
            registers = self.monitor("human-monitor-command", **{"command-line": "info registers -a"})
        except (OSError, ValueError, MachineError) as error:
            return [f"QEMU does not answer: {error}"]
        counters = re.findall(r"^ pc\s+([0-9a-f]+)", registers, re.M)
        names = subprocess.run(["riscv64-unknown-elf-addr2line", "-fpse", self._kernel, *counters],
                               text=True, check=False, stdout=subprocess.PIPE).stdout.splitlines()
        return [f"hart {number}: pc {counter} {name}"
                for number, (counter, name) in enumerate(zip(counters, names))]

    def tail(self, lines=40):
        self._errors.seek(0)
        return "\n".join(self.console.splitlines()[-lines:] + self._errors.read().splitlines()[-10:])

    def send(self, text):
        """Type text, as it is."""
        data = text.encode()
        while data:
            select.select([], [self._qemu.stdin], [])
            data = data[os.write(self._qemu.stdin.fileno(), data[:4096]):]

    # --- The shell. ---

    def wait_for_prompt(self):
        """Wait until the shell waits for a command: the text printed before its prompt."""
        start = self._seen
        self.wait_for(r"quire\$ \Z")
        return self.console[start:self._seen - len(PROMPT)]

    def run(self, command, *, limit=None):
        """Type a command at the prompt and wait for the next prompt."""
        self.send(command + "\n")
        start = self._seen
        self.wait_for(r"quire\$ \Z", limit=limit)
        text = self.console[start:self._seen - len(PROMPT)]
        _, _, output = text.partition("\n")                     # the echo of the command
        status = re.search(r"^\[(exit (-?\d+)|killed|fault)\]\n?\Z", output, re.M)
        if not status:
            return Result(output, 0)
        code = int(status[2]) if status[2] else {"killed": EXIT_KILLED, "fault": EXIT_FAULT}[status[1]]
        return Result(output[:status.start()], code)

    def check(self, command, **options):
        """Run a command that must succeed: its output."""
        result = self.run(command, **options)
        if result.status != 0:
            self._fail(f"{command!r} ended with status {result.status}")
        return result.output

    # --- Power, monitor, trace. ---

    def wait_for_end(self, *, limit=None):
        """Wait until the machine is off: QEMU's exit status, which is the guest's."""
        end = time.monotonic() + (limit or WAIT_LIMIT)
        while self._read_more(end):
            pass
        return self._qemu.wait()

    def power_off(self, code=0):
        self.send(f"poweroff {code}\n")
        return self.wait_for_end()

    def is_running(self):
        return self._qemu.poll() is None

    def monitor(self, command, **arguments):
        """One QMP command: its result."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.qmp_path))
            stream = connection.makefile("rw", encoding="utf-8")
            stream.readline()                                   # the greeting
            for name, values in (("qmp_capabilities", {}), (command, arguments)):
                stream.write(json.dumps({"execute": name, "arguments": values}) + "\n")
                stream.flush()
                reply = json.loads(stream.readline())
                while "event" in reply:
                    reply = json.loads(stream.readline())
                if "error" in reply:
                    raise MachineError(f"{self.name}: {name}: {reply['error']['desc']}")
            return reply["return"]

    def trace_lines(self):
        return self.trace_path.read_text(errors="replace").splitlines()

    def close(self, keep_log=None):
        """Stop QEMU and forget its files; keep_log names a file for the console's text."""
        if self in Machine.alive:
            Machine.alive.remove(self)
        if self._qemu.poll() is None:
            self._qemu.kill()
        self._qemu.wait()
        for stream in (self._qemu.stdin, self._qemu.stdout):
            stream.close()
        if keep_log:
            Path(keep_log).parent.mkdir(parents=True, exist_ok=True)
            Path(keep_log).write_text(" ".join(self.command) + "\n\n" + self.console)
        self._errors.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        if self._boots_to_prompt:
            self.wait_for_prompt()
        return self

    def __exit__(self, *exception):
        self.close()
