"""Page-out stays within its segments, and what happens when there is no room left at all."""

import re

import pytest

from quire.swap import SECTOR, Desk, FailingDisk, start_desk

KILLED = re.compile(r"^quire: out of memory: process (\d+) \((\w+)\), which has most \((\d+) KiB\), is killed$", re.M)
CACHES = 64                             # frames that the kernel keeps once it has had them


@pytest.fixture
def desk(boot, tmp_path):
    return lambda *sizes, **options: start_desk(boot, tmp_path, *sizes, **options)


def frames(machine):
    """Free ones."""
    return int(re.search(r"^free (\d+)", machine.check("swapdesk free"), re.M)[1])


def settled_frames(machine):
    machine.check("swapdesk hog,100")
    return frames(machine)


def comes_back(machine, before):
    """Processes that were killed go a little later."""
    for _ in range(1000):
        if frames(machine) >= before - CACHES:
            return True
    return False


# --- Only there. ---

def painted(path, sectors):
    with path.open("wb") as stream:
        for number in range(sectors):
            stream.write(number.to_bytes(4, "little") * (SECTOR // 4))
    return path


# offset, records, record size, priority, pages of a cluster: in bytes they do not touch
SEGMENTS = [
    (37, 8 * 4096 + 3, 512, 4, 8),                      # 16 MiB from sector 37 on, and a bit
    (32900, 8 * 512 + 7, 512, 4, 1),
    (18_999_999, 4096 * 2048 + 4095, 1, 4, 2),          # from the middle of a sector to that of another
    (40_001, 20_011, 1024, 0, 4),
]


@pytest.mark.parametrize("cpus", [1, 4])
def test_nothing_outside_of_the_segments_is_touched(boot, tmp_path, cpus):
    """A painted disk with segments at odd places, after a load that fills most of them."""
    sectors = 131_072
    disk = FailingDisk("painted", painted(tmp_path / "painted", sectors), 0)
    machine = boot(disk=None, cpus=cpus, memory="32M", arguments=disk.arguments,
                   trace=["virtio_blk_handle_read", "virtio_blk_handle_write"])
    desk = Desk(machine)
    ranges = []
    for segment in SEGMENTS:
        offset, count, record, priority, cluster = segment
        desk.segment("vda", offset, count, record, priority, cluster)
        ranges.append((offset * record, (offset + count) * record))
    before = len(machine.trace_lines())
    assert desk.do("hog 14000") == "hog: 14000 pages, 0 wrong\n"
    desk.new("A", 9000)
    assert desk.check("A") == ({}, 9000)
    stores = machine.console.count("segment: OK")
    assert stores == len(SEGMENTS)
    desk.end()
    assert machine.power_off() == 0
    requests = [(int(match[1]) * SECTOR, int(match[2]) * SECTOR) for match in
                (re.search(r"sector (\d+) nsectors (\d+)", line) for line in machine.trace_lines()[before:]) if match]
    assert len(requests) > 1000
    for start, length in requests:
        assert any(first <= start and start + length <= end for first, end in ranges), (start, length)
    content = disk.image.read_bytes()
    changed = 0
    for number in range(sectors):
        start, paint = number * SECTOR, number.to_bytes(4, "little") * (SECTOR // 4)
        inside = any(first <= start and start + SECTOR <= end for first, end in ranges)
        changed += content[start:start + SECTOR] != paint
        assert inside or content[start:start + SECTOR] == paint, f"sector {number}"
    assert changed > 8 * 5000


# --- No room. ---

@pytest.mark.parametrize("cpus", [1, 4])
@pytest.mark.parametrize("swap", [0, 2048])
def test_who_takes_too_much_is_killed(desk, cpus, swap):
    """Without backing store, and with too little of it: one line says why, and the memory comes back."""
    desk = desk(64, memory="32M", cpus=cpus)
    machine = desk.machine
    if swap:
        desk.segment("vda", 0, swap)
    desk.end()
    before = settled_frames(machine)
    for _ in range(4):
        result = machine.run("swapdesk hog,20000")
        kill, = KILLED.findall(result.output)
        assert kill[1] == "swapdesk" and int(kill[2]) > 12_000, result.output
        assert result.output.count("out of memory") == 1 and result.status == -1024
        assert machine.check("echo the shell lives") == "the shell lives\n"
        assert comes_back(machine, before)
    if swap:
        assert "vda" in machine.check("swapinfo")
        machine.check("swapoff vda")


def test_calls_are_refused(desk):
    """COMMIT, a mapping with all its pages and a write say NO_MEMORY, and what they took can be given back."""
    desk = desk(64, memory="32M")
    machine = desk.machine
    desk.end()
    before = settled_frames(machine)
    for command in ("commit A", "map A", "write A"):
        for _ in range(3):
            output = machine.run(f"swapdesk empty,A,100 {command.replace(' ', ',')} drop,A empty,A,12000 "
                                 f"{command.replace(' ', ',')} drop,A free").output
            assert "ERR_NO_MEMORY" in output and "killed" not in output, output
            assert comes_back(machine, before)
    assert machine.check("echo the shell lives") == "the shell lives\n"


def test_a_vmo_that_only_a_handle_keeps_counts(desk):
    """Not the small process that needs a page dies, but the one that fills memory by calls."""
    desk = desk(64, memory="32M", cpus=2)
    machine = desk.machine
    assert desk.do("fill 4300") == "filled 4300 pages: OK\n"
    machine.send("run swapdesk hog,3000\n")
    machine.wait_for(r"out of memory: process \d+ \(swapdesk\), which has most \((1[6-9]\d\d\d|[2-9]\d\d\d\d) KiB\)")
    machine.wait_for(r"hog: 3000 pages, 0 wrong")
    machine.send("\n")
    machine.wait_for(r"quire\$ \Z")
    assert machine.check("echo the shell lives") == "the shell lives\n"


def test_a_pager_is_spared(desk):
    """It has more than the hog, but others may depend on it."""
    desk = desk(64, memory="32M", cpus=2)
    assert "OK" in desk.do("pin 6300")
    assert desk.do("fill 2800") == "filled 2800 pages: OK\n"
    for _ in range(3):
        output = desk.do("run swapdesk hog,5000")
        kill, = KILLED.findall(output)
        assert int(kill[2]) < 2800 * 4 and "swapdesk: OK, exit -1024" in output, output
    desk.new("A", 100)
    assert desk.check("A") == ({}, 100)
    desk.end()


@pytest.mark.parametrize("swap", [0, 4096])
def test_several_hogs_at_once(desk, swap):
    """Each fits alone, all do not: some die, at least one comes to its end, and all memory comes back."""
    desk = desk(64, memory="32M", cpus=4)
    machine = desk.machine
    if swap:
        desk.segment("vda", 0, swap)
    desk.end()
    before = settled_frames(machine)
    for _ in range(3):
        again = Desk(machine)
        output = again.do(f"crowd 4 swapdesk hog,{3500 + swap}")
        again.end()
        started, well = map(int, re.search(r"^crowd: (\d) of 4 started, (\d) ended well$", output, re.M).groups())
        killed = [kill[1] for kill in KILLED.findall(output)]
        assert set(killed) <= {"swapdesk"} and len(killed) + well == started and well >= 1, output
        assert comes_back(machine, before)
    assert machine.check("echo the shell lives") == "the shell lives\n"
