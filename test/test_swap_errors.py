"""Page-out to disks that fail: who is told, what stays, what is done without."""

import re

import pytest

from quire.swap import PAGE, SECTOR, start_desk

PAGES = 96


@pytest.fixture
def desk(boot, tmp_path):
    return lambda *sizes, **options: start_desk(boot, tmp_path, *sizes, **options)


def all_right(desk, letter, pages=PAGES):
    return desk.check(letter) == ({}, pages)


@pytest.mark.parametrize("cpus", [1, 4])
def test_a_read_error_is_the_problem_of_one_page(desk, cpus):
    """Rows 54, 55 and 64: neighbours that are read with it can be had, and so can it once the disk is well again."""
    desk = desk(32, cpus=cpus)
    disk = desk.disks[0]
    desk.segment("vda", 0, 8192)
    desk.new("A", PAGES)
    for bad in (0, 17, PAGES - 1):
        assert desk.out("A") == (0, PAGES)
        sector = disk.blocks_of("A")[bad] // SECTOR + 3
        disk.fail(desk.machine, ("read", sector))
        for _ in range(3):
            assert desk.check("A") == ({bad: "ERR_IO"}, PAGES - 1)
        assert desk.stores()["vda"]["in_failed"] > 0
        assert desk.do(f"commit A {bad}") == "A: COMMIT: ERR_IO\n"
        disk.fail(desk.machine)
        assert all_right(desk, "A")
    desk.end()


def test_a_load_of_a_page_that_cannot_be_read_ends_its_process(desk):
    desk = desk(32)
    machine, disk = desk.machine, desk.disks[0]
    desk.segment("vda", 0, 8192)
    desk.new("A", PAGES)
    assert desk.out("A") == (0, PAGES)
    disk.fail(machine, ("read", disk.blocks_of("A")[40] // SECTOR))
    assert desk.do("load A 0 40") == "A: 40 right\n"
    assert desk.do("load A 41 10") == "A: 10 right\n"
    output = desk.dies("load A 40")
    assert re.search(r"^quire: swapdesk.*: load from address .* \(IO: ", output, re.M), output
    assert "[fault]" in output
    assert machine.check("echo the others live") == "the others live\n"
    assert machine.check("swapinfo").count("vda") == 1
    machine.check("swapoff vda")                        # nobody has the page any more


def test_pages_that_cannot_be_read_can_be_let_go_of(desk):
    """Who needs one is told; who does not need it is not."""
    desk = desk(32)
    disk = desk.disks[0]
    desk.segment("vda", 0, 8192)
    desk.new("A", PAGES)
    desk.new("B", PAGES)
    assert desk.out("A") == (0, PAGES)
    assert desk.out("B") == (0, PAGES)
    disk.fail(desk.machine, *(("read", offset // SECTOR) for offset in disk.blocks_of("A").values()))
    assert desk.check("A") == ({page: "ERR_IO" for page in range(PAGES)}, 0)
    assert all_right(desk, "B")
    assert desk.do("write A 7") == "A: wrote 0 pages: ERR_IO\n"
    assert desk.do("decommit A 0 50") == "A: DECOMMIT: OK\n"       # nobody has to know what was there
    assert desk.check("A") == ({page: "ERR_IO" for page in range(50, PAGES)}, 50)
    assert desk.do("write A 7") == "A: wrote 1 pages: OK\n"
    disk.fail(desk.machine)
    assert all_right(desk, "A")
    desk.do("drop A")
    assert all_right(desk, "B")
    desk.end()


def test_a_write_error_costs_a_block_and_no_data(desk):
    """Rows 77 and 87."""
    desk = desk(32)
    machine, disk = desk.machine, desk.disks[0]
    disk.fail(machine, *(("write", block * PAGE // SECTOR + 1) for block in (3, 40, 41)))
    desk.segment("vda", 0, 8192)
    desk.new("A", PAGES)
    for _ in range(3):
        assert desk.out("A") == (0, PAGES)
        assert all_right(desk, "A")
        desk.do("write A")
    store = desk.stores()["vda"]
    assert store["retired"] >= 3 and store["out_failed"] >= 3
    disk.fail(machine)
    assert desk.out("A") == (0, PAGES)
    assert desk.stores()["vda"]["retired"] == store["retired"]
    assert all_right(desk, "A")
    desk.end()
    machine.check("swapoff vda")                        # retired blocks are in nobody's way
    machine.check("swapon vda")                         # and are forgotten


@pytest.mark.parametrize("cpus", [1, 4])
def test_a_disk_that_cannot_be_written_is_done_without(desk, cpus):
    """The load goes on with the other one."""
    desk = desk(32, 64, cpus=cpus, memory="32M")
    desk.disks[0].fail(desk.machine, ("write", None))
    desk.segment("vda", 0, 8192)
    desk.segment("vdb", 0, 16384, priority=0)
    assert desk.do("hog 12000") == "hog: 12000 pages, 0 wrong\n"
    stores = desk.stores()
    assert stores["vda"]["out"] == 0 and stores["vda"]["out_failed"] == stores["vda"]["retired"] > 0
    assert stores["vdb"]["out"] > 4000
    desk.end()


def test_no_disk_can_be_written(desk):
    """Nothing leaves, nothing is lost; what does not fit is refused, and room comes back with a disk that works."""
    desk = desk(32, 64, memory="32M")
    disk = desk.disks[0]
    desk.segment("vda", 0, 8192)
    desk.new("A", 1000)
    disk.fail(desk.machine, ("write", None))
    stayed, gone = desk.out("A")
    assert stayed + gone == 1000
    output = desk.do("run swapdesk fill")
    assert "ERR_NO_MEMORY" in output or "which has most" in output
    assert all_right(desk, "A", 1000)
    desk.segment("vdb", 0, 16384)
    assert desk.do("hog 9000") == "hog: 9000 pages, 0 wrong\n"
    assert all_right(desk, "A", 1000)
    desk.end()


def test_row_30_a_disk_goes_with_pages_on_it(desk):
    """Everything on one disk fails: who needs that dies, with a line; all others go on with the other disk."""
    desk = desk(32, 64, memory="32M", cpus=2)
    machine, disk = desk.machine, desk.disks[0]
    desk.new("A", 800)
    desk.segment("vda", 0, 8192)
    assert desk.out("A") == (0, 800)
    bad = disk.blocks_of("A")
    assert len(bad) == 800
    disk.fail(machine, ("write", None), *(("read", offset // SECTOR) for offset in bad.values()))
    desk.segment("vdb", 0, 16384, priority=0)
    desk.new("B", 400)
    assert desk.check("A") == ({page: "ERR_IO" for page in range(800)}, 0)
    assert "hog: 9000 pages, 0 wrong" in desk.do("run swapdesk hog,9000")
    output = desk.dies("load A 700")
    assert "[fault]" in output
    assert "hog: 9000 pages, 0 wrong" in machine.check("swapdesk hog,9000")
    machine.check("swapoff vda")
    assert machine.check("echo still here") == "still here\n"
