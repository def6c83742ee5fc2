"""More anonymous memory than there is: `memload` in a machine of 32 MiB with two disks to swap to.

Every word is verified in the guest.  At the end the swap space is taken away, which brings in what is left there: then the frames must be
what they were.  QUIRE_SOAK_SECONDS makes runs of that length (`make soak`).
"""

import os
import re
from pathlib import Path

import pytest

from quire.machine import Drive
from test_swap import swapinfo

SECONDS = int(os.environ.get("QUIRE_SOAK_SECONDS", "0"))
SEED = int(os.environ.get("QUIRE_CLONE_FIRST", "1"))
MIB = 1 << 20
LIMIT = 1500                            # seconds: the hosts of tests may be slow
FAST, SLOW = "cache=unsafe", "cache=unsafe,throttling.iops-total=1500"
FEW = 4                                 # pages that the shell's heap may get or lose
SLACK = 64                              # frames: more kernel stacks at a time than before, and slabs, stay in caches

pytestmark = pytest.mark.timeout(2 * LIMIT + 4 * SECONDS)


class Swapping:
    """A machine with little memory and two disks to swap to, and how its frames were used before."""

    def __init__(self, boot, folder, *, cpus, first=64, second=640, options=FAST, **parameters):
        self.images = [Path(folder) / name for name in ("first", "second")]
        for image, size in zip(self.images, (first, second)):
            with image.open("wb") as file:
                file.truncate(size * MIB)
        disk = parameters.setdefault("disk", None)
        self.devices = ["vdb", "vdc"] if disk else ["vda", "vdb"]
        self.machine = boot(cpus=cpus, memory="32M", disks=[Drive(image, options) for image in self.images],
                            **parameters)
        self.swap_on()                  # all programs once: what stays of them is there before anything is counted
        self.machine.check("memload -n -m 4 write fork clone kill", limit=LIMIT)
        self.swap_off()
        self.frames = self.frames_now()
        self.swap_on()

    def swap_on(self):
        for device, priority in zip(self.devices, (4, 0)):
            self.machine.check(f"swapon {device} {priority}")

    def swap_off(self):
        for device in self.devices:
            self.machine.check(f"swapoff {device}", limit=LIMIT)

    def frames_now(self):
        """Pages by use."""
        rows = re.findall(r"^([a-z ]+?) +\d+ +(\d+) +[\d.]+$", self.machine.check("free"), re.M)
        return {name: int(pages) for name, pages in rows}

    def load(self, arguments):
        output = self.machine.check(f"memload {arguments}", limit=LIMIT + 4 * SECONDS)
        assert "every word was right" in output and "WRONG" not in output
        return output

    def both_disks_were_used(self):
        """The smaller one, which goes first, as a whole: all of the guest's writes are in the images."""
        first, second = ((image.stat().st_blocks * 512, image.stat().st_size) for image in self.images)
        return first[0] >= 0.9 * first[1] and 0 < second[0] <= second[1]

    def check_all_is_back(self):
        """Other programs' pages may be on disk; with them back in memory all is as it was."""
        used = sum(used for _, used, _ in swapinfo(self.machine).values()) // 4
        assert used <= self.frames["anonymous"], "blocks that belong to nobody"
        self.swap_off()
        assert swapinfo(self.machine) == {}
        now = self.frames_now()
        assert abs(now["anonymous"] - self.frames["anonymous"]) <= FEW and now["in flight"] == 0
        available = [frames["free"] + frames["pager"] + frames["device"] for frames in (self.frames, now)]
        assert available[1] >= available[0] - SLACK


@pytest.fixture
def swapping(boot, tmp_path):
    """swapping(cpus=..., ...) starts a Swapping; the images go at the end, they may be large."""
    machines = []

    def start(**parameters):
        machines.append(Swapping(boot, tmp_path, **parameters))
        return machines[-1]

    yield start
    for machine in machines:
        machine.machine.close()
        for image in machine.images:
            image.unlink()


def case(cpus, arguments, name, **parameters):
    """They share nothing: any worker may take each."""
    return pytest.param(cpus, arguments, parameters, id=name, marks=pytest.mark.xdist_group(f"page-out-{name}"))


@pytest.mark.parametrize("cpus, arguments, parameters", [
    case(1, "-m 256 write random read", "256-mib-on-1"),
    case(4, "-m 256 write random", "256-mib-on-4"),
    case(1, "-m 64 write fork clone discard kill", "copies-on-1", first=32),
    case(4, "-m 48 write fork clone discard kill", "copies-on-4", first=24),
    case(4, "-m 48 write random kill read", "slow-disks", options=SLOW, first=16),
    case(1, "-n -m 64 write random", "silent-pager-on-1", first=16),
    case(4, "-n -m 48 write random", "silent-pager-on-4", first=16),
    case(2, "-p 1 -m 48 write hot", "hot-quarter", first=16),
])
def test_load(swapping, cpus, arguments, parameters):
    machine = swapping(cpus=cpus, **parameters)
    machine.load(f"-o -s {SEED} {arguments}")
    assert machine.both_disks_were_used()
    machine.check_all_is_back()


COMMANDS = [("echo alive", "alive\n"), ("seq 3 | tail -n 1", "3\n"), ("ls / | grep -c bin", None), ("ps", "memload"),
            ("cat /etc/motd | wc -l", None), ("free | head -n 1", "KiB"), ("true && echo yes", "yes\n")]


def koids(machine, name):
    return re.findall(rf"^ *(\d+) runs .* {name}$", machine.check("ps", limit=LIMIT), re.M)


@pytest.mark.xdist_group("page-out-shell")
def test_the_shell_beside_it(swapping):
    """Programs are read from a disk, started and ended while the memory of others comes and goes."""
    from quire.machine import DISK
    machine = swapping(cpus=4, disk=DISK)
    shell = machine.machine
    shell.send(f"memload -m 256 -r 1000000 -s {SEED} write random > /dev/null &\n")
    shell.wait_for_prompt()
    while swapinfo(shell)[machine.devices[1]][1] == 0:  # the first disk is full
        assert len(koids(shell, "memload")) == 5
    for command, expected in COMMANDS * 3:
        output = shell.check(command, limit=LIMIT)
        assert output if expected is None else expected in output
    victims = koids(shell, "memload")
    assert len(victims) == 5, "it has not ended meanwhile"
    for koid in victims:
        shell.run(f"kill -9 {koid}", limit=LIMIT)
    shell.run("wait", limit=LIMIT)
    while koids(shell, "memload"):
        pass
    assert shell.check("echo alive") == "alive\n"


@pytest.mark.parametrize("cpus, arguments, parameters", [
    case(cpus, f"-n -m 256 -t {SECONDS} write read random discard fork clone kill", f"soak-{cpus}-{name}", options=options)
    for cpus in (1, 4) for name, options in (("fast", FAST), ("slow", SLOW))
] if SECONDS else [])
def test_soak(swapping, cpus, arguments, parameters):
    machine = swapping(cpus=cpus, **parameters)
    print(machine.load(f"-o -s {SEED} {arguments}"))
    machine.check_all_is_back()
