#!/usr/bin/env python3
"""Run QEMU with its serial line on standard input and output, for scripts.

usage: console.py QEMU-COMMAND...

The firmware throws away bytes that arrive before it has set up the serial device, so input is held
back until the shell prompts, or, when the command line names another program to run, until the kernel
has printed something.  The end of the input becomes a ^D, which ends the
shell.  The exit status is the guest's.
"""

import ctypes
import os
import re
import select
import signal
import subprocess
import sys

PROMPT = re.compile(rb"quire\$ ")
KERNEL_OUTPUT = re.compile(rb"MEDELEG[^\n]*\n\s*\S")         # what follows the firmware's last line
SCRIPT_FLAGS = ["-display", "none", "-monitor", "none",
                "-chardev", "stdio,id=c,signal=off", "-serial", "chardev:c"]
CHUNK = 4096                            # what a pipe that is ready takes without blocking


def die_with_parent():
    """Run in the child: Linux kills it when its parent ends, however that happens."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)          # PR_SET_PDEATHSIG


def relay(qemu, sign_of_life):
    """Copy the guest's output to ours, and our input to the guest once it listens."""
    seen = b""
    alive = False
    pending = b""
    last = b"\n"
    source = sys.stdin.fileno()
    while True:
        readers = [qemu.stdout]
        if alive and source is not None and not pending:
            readers.append(source)
        ready, writable, _ = select.select(readers, [qemu.stdin] if pending else [], [])
        if qemu.stdout in ready:
            output = os.read(qemu.stdout.fileno(), 65536)
            if not output:
                return qemu.wait()
            os.write(sys.stdout.fileno(), output)
            if not alive:
                seen += output
                alive = sign_of_life.search(seen) is not None
        if source in ready:
            pending = os.read(source, CHUNK)
            if pending:
                last = pending[-1:]
            else:
                source = None
                pending = b"\x04" if last == b"\n" else b"\n\x04"
        if writable:
            try:
                pending = pending[os.write(qemu.stdin.fileno(), pending):]
            except BrokenPipeError:
                pending, source = b"", None


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    qemu = subprocess.Popen(sys.argv[1:] + SCRIPT_FLAGS, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, bufsize=0,
                            preexec_fn=die_with_parent)
    try:
        runs_program = any(re.match(r"(.*\s)?-- run ", word) for word in sys.argv[1:])
        return relay(qemu, KERNEL_OUTPUT if runs_program else PROMPT)
    except KeyboardInterrupt:
        return 130
    finally:
        if qemu.poll() is None:
            qemu.kill()
            qemu.wait()


if __name__ == "__main__":
    sys.exit(main())
