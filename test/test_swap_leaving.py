"""Backing stores that are taken back while they hold pages."""

import re

import pytest

from quire.swap import SECTOR, start_desk

PAGES = 1500
SLOW = 5                                # requests a second: what is begun will not be over soon


@pytest.fixture
def desk(boot, tmp_path):
    return lambda *sizes, **options: start_desk(boot, tmp_path, *sizes, **options)


def all_right(desk, letter, pages=PAGES):
    return desk.check(letter) == ({}, pages)


def shuffled(desk, letter="A", pages=PAGES):
    """A VMO that is out, in an order that is not that of its pages."""
    desk.new(letter, pages)
    assert desk.do(f"shuffle {letter}") == f"{letter}: shuffled\n"
    assert desk.out(letter) == (0, pages)


def swap_off(desk, device="vda"):
    """What swapoff says, and its exit status."""
    output = desk.do(f"run swapoff {device}")
    return output, int(re.search(r"^swapoff: OK, exit (-?\d+)$", output, re.M)[1])


@pytest.mark.parametrize("cpus", [1, 4])
def test_row_22_a_store_in_use_is_deleted(desk, cpus):
    """With little memory, and the pages in disorder: to the other disk; nothing is asked of the old one any more."""
    desk = desk(64, 64, memory="32M", cpus=cpus)
    desk.segment("vda", 0, 16384)
    assert "OK" in desk.do("pin 1100")
    shuffled(desk)
    desk.segment("vdb", 0, 16384, priority=0)
    assert swap_off(desk)[1] == 0
    before = desk.disk("vda")
    assert list(desk.stores()) == ["vdb"]
    for _ in range(2):
        assert all_right(desk, "A")
        desk.do("write A")
        assert desk.out("A") == (0, PAGES)
    assert desk.disk("vda") == before
    assert "vda" not in desk.do("run swapinfo")
    desk.end()


def test_row_22_into_memory(desk):
    """With room in memory there need not be another store."""
    desk = desk(32)
    desk.segment("vda", 0, 8192)
    shuffled(desk)
    assert swap_off(desk)[1] == 0
    before = desk.disk("vda")
    assert desk.stores() == {}
    assert all_right(desk, "A")
    assert desk.disk("vda") == before
    desk.end()


@pytest.mark.parametrize("cpus", [1, 4])
def test_row_23_a_store_that_cannot_be_emptied(desk, cpus):
    """No room elsewhere: all is as before, and it takes pages again."""
    desk = desk(64, memory="32M", cpus=cpus)
    desk.segment("vda", 0, 16384)
    desk.new("A", 9000)
    before = desk.stores()["vda"]
    for _ in range(3):
        output, status = swap_off(desk)
        assert status != 0 and "no room elsewhere" in output
        after = desk.stores()["vda"]
        assert after["total"] == before["total"] and after["draining"] == after["retired"] == 0
    assert all_right(desk, "A", 9000)
    assert desk.out("A") == (0, 9000)
    after = desk.stores()["vda"]
    assert after["free"] <= after["total"] - 9000 and after["out"] > before["out"]
    desk.do("drop A")
    assert desk.stores()["vda"]["free"] >= after["free"] + 9000     # no block was lost
    desk.end()


def start_leaving(desk, device="vda"):
    """swapoff in the background; it has begun."""
    assert "OK" in desk.do(f"start swapoff {device}")
    while desk.stores()[device]["draining"] == 0:
        pass


def test_row_26_blocks_come_back_after_a_failure(desk):
    """Others take the room while the store is being emptied: no block is lost, and it takes pages again."""
    desk = desk(64, 64, memory="32M", cpus=2)
    desk.segment("vda", 0, 16384)
    desk.new("A", 6000)
    assert desk.out("A") == (0, 6000)
    desk.segment("vdb", 0, 8600)
    desk.disks[0].slow_down(desk.machine, SLOW)
    before = desk.stores()["vda"]["free"]
    start_leaving(desk)
    assert "B: wrote 8000 pages: OK" in desk.do("new B 8000")
    desk.disks[0].slow_down(desk.machine, 0)
    assert "exit 1" in desk.do("finish")
    after = desk.stores()
    assert after["vda"]["draining"] == after["vdb"]["draining"] == after["vda"]["retired"] == 0
    assert all_right(desk, "A", 6000) and all_right(desk, "B", 8000)
    desk.do("drop B")
    assert desk.out("A") == (0, 6000)
    desk.segment("vdb", 8600, 7400)
    assert all_right(desk, "A", 6000)
    desk.do("drop A")                                   # what is left is other programs'
    assert desk.stores()["vda"]["free"] >= before + 5000
    assert swap_off(desk)[1] == 0
    desk.end()


def leaves_while_two_work(desk):
    """Two threads read and write what leaves: what the counters of vda were from time to time."""
    vda = desk.disks[0]
    desk.segment("vda", 0, 16384)
    assert "OK" in desk.do("pin 1600")
    shuffled(desk, "A")
    shuffled(desk, "B")
    desk.segment("vdb", 0, 16384)
    desk.do("work A")
    desk.do("work B")
    vda.slow_down(desk.machine, 500)
    start_leaving(desk)
    seen = [desk.stores().get("vda")]
    while seen[-1] and seen[-1]["draining"]:
        assert desk.do("steps A") == "A: it works\n"
        assert desk.do("steps B") == "B: it works\n"
        if len(seen) == 6:
            vda.slow_down(desk.machine, 0)
        seen.append(desk.stores().get("vda"))
    vda.slow_down(desk.machine, 0)
    assert "exit 0" in desk.do("finish")
    assert list(desk.stores()) == ["vdb"]
    return [store for store in seen if store and store["draining"]]


def two_have_worked(desk):
    rested = desk.do("rest")
    assert len(re.findall(r"^[AB]: \d+ steps, 0 wrong, 0 refused$", rested, re.M)) == 2, rested
    assert all_right(desk, "A") and all_right(desk, "B")
    desk.end()


@pytest.mark.parametrize("cpus", [1, 4])
def test_row_24_paging_goes_on_meanwhile(desk, cpus):
    desk = desk(64, 64, memory="32M", cpus=cpus)
    leaves_while_two_work(desk)
    while "ERR_NO_MEMORY" in desk.do("segment vda 0 4096 4096"):
        pass                                            # its map needs frames that are there at times only
    assert "exit 0" in desk.do("start swapoff vda") + desk.do("finish")
    assert desk.do("steps A") == "A: it works\n"
    two_have_worked(desk)


def test_row_25_no_page_goes_where_all_leave(desk):
    desk = desk(64, 64, memory="32M", cpus=2)
    out = [store["out"] for store in leaves_while_two_work(desk)]
    assert not out or out[-1] - out[0] <= 8 * 16        # what was on its way
    two_have_worked(desk)


def test_row_28_a_read_error_stops_it(desk):
    """swapoff says so, and the store goes on; when the disk can be read again it succeeds."""
    desk = desk(64, 64, memory="32M", cpus=2)
    disk = desk.disks[0]
    desk.segment("vda", 0, 16384)
    shuffled(desk)
    desk.segment("vdb", 0, 16384, priority=0)
    bad = 777
    disk.fail(desk.machine, ("read", disk.blocks_of("A")[bad] // SECTOR))
    for _ in range(3):
        output, status = swap_off(desk)
        assert status == 1 and "device" in output, output
        assert desk.stores()["vda"]["draining"] == 0
    assert desk.check("A") == ({bad: "ERR_IO"}, PAGES - 1)
    desk.new("B", 1000)
    assert desk.out("B") == (0, 1000)                   # it takes pages
    disk.fail(desk.machine)
    assert swap_off(desk)[1] == 0
    assert all_right(desk, "A") and all_right(desk, "B", 1000)
    desk.end()


def test_killed_while_it_is_emptied(desk):
    """Then the store is as before."""
    desk = desk(64, 64, memory="32M", cpus=2)
    desk.segment("vda", 0, 16384)
    shuffled(desk)
    desk.segment("vdb", 0, 16384, priority=0)
    for _ in range(5):
        desk.disks[0].slow_down(desk.machine, SLOW)
        start_leaving(desk)
        assert "exit -1024" in desk.do("kill")
        desk.disks[0].slow_down(desk.machine, 0)
        stores = desk.stores()
        assert stores["vda"]["draining"] == 0 and stores["vda"]["total"] == 16384
        assert all_right(desk, "A")
        assert desk.out("A") == (0, PAGES)
    assert swap_off(desk)[1] == 0
    assert all_right(desk, "A")
    desk.end()


def test_two_at_once(desk):
    """The second is refused, whoever is first; two different stores can leave at one moment."""
    desk = desk(64, 64, 64, memory="32M", cpus=4)
    desk.segment("vda", 0, 16384)
    shuffled(desk)
    desk.segment("vdb", 0, 16384)
    shuffled(desk, "B")
    desk.segment("vdc", 0, 16384, priority=0)
    for disk in desk.disks[:2]:
        disk.slow_down(desk.machine, SLOW)
    start_leaving(desk)
    output, status = swap_off(desk)
    assert status == 1, output
    for disk in desk.disks:
        disk.slow_down(desk.machine, 0)
    assert swap_off(desk, "vdb")[1] == 0
    assert "exit 0" in desk.do("finish")
    assert list(desk.stores()) == ["vdc"]
    assert all_right(desk, "A") and all_right(desk, "B")
    desk.end()
