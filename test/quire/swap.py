"""Disks for page-out that fail when they are told to, and the guest's swapdesk, which moves memory there by hand."""

import json
import re
import struct

SECTOR, PAGE = 512, 4096
MAGIC = b"swapdesk"


def sparse(path, size):
    """An image of so many bytes."""
    with path.open("wb") as stream:
        stream.truncate(size)
    return path


class FailingDisk:
    """A disk of its own image, whose errors can be changed while the machine runs."""

    def __init__(self, name, image, bus):
        self.name, self.image = name, image
        self._generation = 0
        layers = [{"driver": "file", "node-name": f"{name}-file", "filename": str(image), "locking": "off"},
                  {"driver": "raw", "node-name": name, "file": f"{name}-file"},
                  {"driver": "throttle", "node-name": f"{name}-speed", "throttle-group": f"{name}-limit", "file": name}]
        self.arguments = ["-object", f"throttle-group,id={name}-limit"]
        self.arguments += [word for layer in layers for word in ("-blockdev", json.dumps(layer))]
        self.arguments += ["-device", f"virtio-blk-device,drive={name}-speed,bus=virtio-mmio-bus.{bus},"
                                      "werror=report,rerror=report"]

    def fail(self, machine, *rules):
        """From now on: each rule is ("read" or "write", sector, or None for all)."""
        self._generation += 1
        node = f"{self.name}-rules-{self._generation}"
        errors = [{"event": "none", "iotype": kind, "errno": 5, **({} if sector is None else {"sector": sector})}
                  for kind, sector in rules]
        machine.monitor("blockdev-add", driver="blkdebug", image=f"{self.name}-file",
                        **{"node-name": node}, **({"inject-error": errors} if errors else {}))
        machine.monitor("blockdev-reopen", options=[{"driver": "raw", "node-name": self.name, "file": node}])

    def slow_down(self, machine, requests):
        """So many requests a second from now on; 0: as many as it can."""
        machine.monitor("qom-set", path=f"/objects/{self.name}-limit", property="limits",
                        value={"iops-total": requests})

    def blocks_of(self, letter):
        """Where the last version of each page of a VMO of the desk lies on the disk: {page: byte}."""
        content = self.image.read_bytes()
        found = {}
        for match in re.finditer(re.escape(MAGIC), content):
            tag, = struct.unpack_from("<Q", content, match.start() + 8)
            page, version = tag & 0xffff_ffff, tag >> 32 & 0xff_ffff
            if tag >> 56 == ord(letter) and match.start() % SECTOR == 0 and version >= found.get(page, (0, 0))[0]:
                found[page] = version, match.start()
        return {page: offset for page, (_, offset) in found.items()}


def start_desk(boot, folder, *sizes, **options):
    """A machine with failing disks of so many MiB and nothing else: its Desk, which has them as .disks."""
    disks = [FailingDisk(f"f{number}", sparse(folder / f"disk{number}", size << 20), number)
             for number, size in enumerate(sizes)]
    machine = boot(disk=None, arguments=[word for disk in disks for word in disk.arguments], **options)
    desk = Desk(machine)
    desk.disks = disks
    return desk


class Desk:
    """The program swapdesk, as the shell's job in the foreground."""

    def __init__(self, machine):
        self.machine = machine
        machine.send("swapdesk\n")
        machine.wait_for(r"^desk> \Z")

    def do(self, command, **options):
        """One command: what it printed."""
        self.machine.send(command + "\n")
        start = len(self.machine.console)
        self.machine.wait_for(r"^desk> \Z", **options)
        return self.machine.console[start:-len("desk> ")].partition("\n")[2]

    def end(self):
        self.machine.send("\x04")
        self.machine.wait_for_prompt()

    def dies(self, command):
        """A command that ends the program: what the console says."""
        self.machine.send(command + "\n")
        return self.machine.wait_for_prompt()

    def new(self, letter, pages):
        assert self.do(f"new {letter} {pages}") == f"{letter}: wrote {pages} pages: OK\n"

    def segment(self, device, offset, count, record=PAGE, priority=4, cluster=8):
        assert self.do(f"segment {device} {offset} {count} {record} {priority} {cluster}") == "segment: OK\n"

    def out(self, letter):
        """(pages that stayed, pages that are out)."""
        match = re.fullmatch(rf"{letter}: (\d+) pages in memory, (\d+) out\n", self.do(f"out {letter}"))
        return int(match[1]), int(match[2])

    def check(self, letter, pages=""):
        """({page: its status or what is wrong}, how many are right)."""
        output = self.do(f"check {letter} {pages}")
        bad = {int(page): what for page, what in re.findall(rf"^{letter} (\d+): (.+)$", output, re.M)}
        return bad, int(re.search(rf"^{letter}: (\d+) right, ", output, re.M)[1])

    def stores(self):
        """Device to its counters."""
        return {line.split(":")[0]: {name: int(value) for name, value in re.findall(r"(\w+) (\d+)", line)}
                for line in self.do("stores").splitlines() if line.startswith("vd")}

    def disk(self, device):
        """Requests so far: (reads, writes)."""
        match = re.match(rf"{device}: (\d+) reads (\d+) writes", self.do(f"disk {device}"))
        return int(match[1]), int(match[2])

    def free(self):
        return int(re.match(r"free (\d+)", self.do("free"))[1])
