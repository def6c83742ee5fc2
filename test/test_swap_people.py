"""What people see of paging: the messages of swapon and swapoff, and what free, top, vmstat, pmap and swapinfo say of swap."""

import json
import re

import pytest

MIB = 1 << 20
SIZE = 64                               # MiB of each of the disks to swap to
TEXT = "/usr/share/book.txt"


def number(text):
    return int(text.rstrip("K"))


def sparse(path, size):
    with path.open("wb") as stream:
        stream.truncate(size)
    return path


@pytest.fixture
def small(boot, tmp_path):
    """small(): a machine of 32 MiB whose only swap can be vdb, which may be slow, and vdc."""
    def start(requests=None):
        arguments = []
        for disk, limit in enumerate([requests, None], 1):
            image = sparse(tmp_path / f"disk{disk}", SIZE * MIB)
            throttle = f",throttling.iops-total={limit}" if limit else ""
            arguments += ["-drive", f"file={image},file.locking=off,if=none,format=raw,snapshot=on,id=s{disk}{throttle}",
                          "-device", f"virtio-blk-device,drive=s{disk},bus=virtio-mmio-bus.{disk}"]
        machine = boot(memory="32M", arguments=arguments)
        for device in ("vda2", "vda3"):
            machine.run(f"swapoff {device}")            # which the first program may have added
        return machine
    return start


def fill(machine):
    """`tail` keeps a text of 24 MB in memory until the writer ends, which sleeps behind it."""
    machine.check(f'sh -c "cat {" ".join([TEXT] * 60)}; sleep 100000" | tail -n 999999999 > /dev/null &')
    while "sleep" not in machine.check("ps"):
        pass


def pages(machine):
    """What `pmap tail` says: of each name the VMO and its KiB on backing store, and the totals."""
    output = machine.check("pmap tail")
    rows = re.findall(r"^[0-9a-f]{10} .* (\d+) +(\d+)K (\S+)$", output, re.M)
    totals = dict(re.findall(r"(\w+) (\d+)K", output.splitlines()[-1]))
    return {name: (koid, int(swapped)) for koid, swapped, name in rows}, {name: int(value) for name, value in totals.items()}


def swap_of(output, pattern):
    """Three numbers of KiB: total, used, free."""
    total, used, free = (number(word) for word in re.search(pattern, output, re.M).groups())
    assert total == used + free
    return total, used


FREE = r"^swap +(\d+) +(\d+) +(\d+)$"
TOP = r"^swap, KiB: (\d+) total, (\d+) used, (\d+) free$"
SWAPINFO = r"^all +(\d+) +(\d+) +(\d+)$"


def test_all_tell_the_same(small):
    """free, top and swapinfo agree on the space; vmstat and swapinfo on what moved; pmap says whose it is."""
    machine = small()
    assert swap_of(machine.check("free"), FREE) == (0, 0)
    assert machine.check("vmstat").split()[-3:-1] == ["0", "0"]     # no store: nothing has moved
    machine.check("swapon vdb; swapon vdc 0")
    total = 2 * SIZE * 1024
    assert swap_of(machine.check("free"), FREE) == (total, 0)
    assert re.search(r"^swap +128M +0B +128M$", machine.check("free -h"), re.M)

    fill(machine)
    rows, totals = pages(machine)
    assert totals["swapped"] > 1024 and totals["private"] > 20_000
    assert rows["heap"][1] > 0 and sum(dict(rows.values()).values()) == totals["swapped"]
    for command, pattern in [("swapinfo", SWAPINFO), ("free", FREE), ("top -b -n 1", TOP)]:
        all_of_it, used = swap_of(machine.check(command), pattern)
        assert all_of_it == total and used >= 1024      # it goes on to move, a little

    came, went = map(int, machine.check("vmstat").split()[-3:-1])
    info = machine.check("swapinfo")
    later = re.search(r"^in: (\d+) pages in \d+ requests, out: (\d+) pages in \d+ requests$", info, re.M)
    assert 256 < went <= int(later[2]) and came <= int(later[1])

    machine.check("swapoff vdc")                        # nothing is there yet
    result = machine.run("swapoff vdb")
    assert result.status == 1 and re.search("neither on the other devices nor in memory; add swap or end programs", result.output)
    assert re.search(r"^vdb +65536 +[1-9]\d* +\d+ +4$", machine.check("swapinfo"), re.M)
    machine.check("swapon vdc 0")
    machine.check("swapoff vdb")
    assert re.search(r"^vdc +65536 +[1-9]\d* +\d+ +0$", machine.check("swapinfo"), re.M)


def test_vmstat_when_the_last_store_goes(small):
    """Nobody can tell the counters any more: nothing moves, and they are right when there is a store again."""
    machine = small()
    machine.check("swapon vdb")
    fill(machine)
    koid = re.search(r"^ *(\d+) .* tail$", machine.check("ps"), re.M)[1]
    machine.run(f"kill -KILL {koid}")
    machine.send("vmstat 0.5 2000 &\n")
    machine.wait_for_prompt()
    machine.check("swapoff vdb")
    machine.check("sleep 2")
    machine.check("swapon vdb")
    machine.check("sleep 2")
    machine.run("kill %1")
    lines = re.findall(r"^ *\d+ .*$", machine.console[machine.console.index("vmstat 0.5"):], re.M)
    moved = [list(map(int, line.split()[-3:-1])) for line in lines if len(line.split()) == 15]
    assert len(moved) > 2 and moved[0][1] > 256
    assert all(came < 10_000 and went < 10_000 for came, went in moved)


def test_a_slow_swapoff_says_how_much_is_left(small):
    """On the terminal, every second; ^C stops it, and the device stays in use."""
    machine = small(requests=60)                        # of at most 64 KiB a second
    machine.check("swapon vdb; swapon vdc 0")
    fill(machine)
    machine.send("swapoff vdb\n")
    machine.wait_for(r"vdb: +\d+ KiB left")
    machine.send("\x03")
    machine.wait_for_prompt()
    assert re.search(r"^vdb +65536 +[1-9]\d* +\d+ +4$", machine.check("swapinfo"), re.M)

    start = len(machine.console)
    machine.check("swapoff vdb")
    left = [int(kib) for kib in re.findall(r"vdb: +(\d+) KiB left", machine.console[start:])]
    assert len(left) > 1 and left[-1] < left[0]
    assert "vdb" not in machine.check("swapinfo")
    assert "left" not in machine.check("swapon vdb; swapoff vdb")   # at once


def test_blocks_that_cannot_be_written(boot, tmp_path):
    """They are used by nobody, and swapinfo says so."""
    bad = {"driver": "raw", "node-name": "bad", "file": {
        "driver": "blkdebug", "image": {"driver": "file", "filename": str(sparse(tmp_path / "bad", MIB)), "locking": "off"},
        "inject-error": [{"event": "none", "iotype": "write", "errno": 5}]}}
    good = {"driver": "raw", "node-name": "good", "file": {
        "driver": "file", "filename": str(sparse(tmp_path / "good", SIZE * MIB)), "locking": "off"}}
    arguments = []
    for bus, node in enumerate([bad, good], 1):
        arguments += ["-blockdev", json.dumps(node), "-device",
                      f"virtio-blk-device,drive={node['node-name']},bus=virtio-mmio-bus.{bus},werror=report"]
    machine = boot(memory="32M", arguments=arguments)
    for device in ("vda2", "vda3"):
        machine.run(f"swapoff {device}")
    machine.check("swapon vdb; swapon vdc 0")
    fill(machine)
    info = machine.check("swapinfo")
    assert re.search(r"^vdb +1024 +1024 +0 +4 \(1024 KiB retired\)$", info, re.M)
    assert re.search(r"^vdc +65536 +[1-9]\d* +\d+ +0$", info, re.M)
    assert machine.check("swapoff vdb") == ""           # nothing is there


DEVICES = "vda, vda1 (root), vda2 (swap0), vda3 (swap1), vda4 (scratch)"


def test_messages(boot, tmp_path):
    """Each says what is wrong and what there is to do."""
    tiny = sparse(tmp_path / "tiny", 4096)
    machine = boot(disks=[tiny])
    for device in ("vda2", "vda3"):
        machine.run(f"swapoff {device}")
    machine.check("swapon swap0")
    for command, status, message in [
            ("swapon none", 1, f"swapon: none: no such device; there are: {DEVICES}, vdb\n"),
            ("swapoff vda9", 1, f"swapoff: vda9: no such device; there are: {DEVICES}, vdb\n"),
            ("swapon swap0", 1, "swapon: swap0: it is in use already, as swap\n"),
            ("swapon -f vda", 1, "swapon: vda: it is in use already: vda2 is swap\n"),
            ("swapon vda1", 1, "swapon: vda1: it holds a file system; `swapon -f vda1` destroys that\n"),
            ("swapon vdb", 1, "swapon: vdb: it is too small: pages go in clusters of 32 KiB\n"),
            ("swapoff root", 1, "swapoff: root: it is not in use as swap; `swapinfo` lists what is\n"),
            ("swapon vda4 2", 2, "usage: swapon [-f] DEVICE [4|0]\n"),
            ("swapon", 2, "usage: swapon [-f] DEVICE [4|0]\n"),
            ("swapon -f", 2, "usage: swapon [-f] DEVICE [4|0]\n"),
            ("swapon vda4 4 4", 2, "usage: swapon [-f] DEVICE [4|0]\n"),
            ("swapoff", 2, "usage: swapoff DEVICE\n"),
            ("swapoff -a", 2, "usage: swapoff DEVICE\n"),
            ("swapinfo vda2", 2, "usage: swapinfo\n"),
            ("swapoff vda2", 0, ""),
            ("swapon vda", 1, "swapon: vda: it holds partitions; `swapon -f vda` destroys that\n"),
            ("swapon -f vda4 0", 0, "")]:
        result = machine.run(command)
        assert (result.status, result.output) == (status, message), command
    assert re.search(r"^vda4 +16384 +0 +16384 +0$", machine.check("swapinfo"), re.M)


def test_help_names_the_programs(machine):
    output = machine.check("help")
    assert all(re.search(rf"\b{name}\b", output) for name in ("swapon", "swapoff", "swapinfo"))
