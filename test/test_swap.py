"""swapon, swapoff and swapinfo, and what the first program gives to the default pager."""

import struct
import zlib

import pytest

from quire.machine import DISK

PARTITIONS = {"vda2": (16384, 0, 4), "vda3": (16384, 0, 4)}    # of the standard disk


def swapinfo(machine):
    """Device to (KiB, used, priority), from the table."""
    lines = machine.check("swapinfo").splitlines()
    assert lines[0].split() == ["DEVICE", "KiB", "USED", "FREE", "PRIORITY"]
    return {fields[0]: (int(fields[1]), int(fields[2]), int(fields[4]))
            for fields in map(str.split, lines[1:]) if len(fields) == 5 and fields[0].startswith("vd")}


def test_swap_comes_and_goes(boot):
    machine = boot(cpus=2)
    assert swapinfo(machine) == {}
    machine.check("swapon swap0")
    machine.check("swapon vda3 0")
    assert swapinfo(machine) == {"vda2": (16384, 0, 4), "vda3": (16384, 0, 0)}
    for command, message in [("swapon vda2", "in use"), ("swapon vda", "in use"), ("swapon nothing", "no such device"),
                             ("swapon vda3 7", "usage"), ("swapoff nothing", "no such device"), ("swapoff root", "not in use")]:
        result = machine.run(command)
        assert result.status != 0 and message in result.output, command
    machine.check("swapoff vda2")
    assert swapinfo(machine) == {"vda3": (16384, 0, 0)}
    machine.check("swapon vda2 0")
    machine.check("swapoff vda")                        # both lie on it
    assert swapinfo(machine) == {}
    machine.check("swapon swap1")


def read_only(image, bus):
    return ["-drive", f"file={image},if=none,format=raw,readonly=on,id=ro",
            "-device", f"virtio-blk-device,drive=ro,bus=virtio-mmio-bus.{bus}"]


def test_a_read_only_disk_is_refused(boot, tmp_path):
    image = tmp_path / "read-only"
    image.write_bytes(bytes(1 << 20))
    machine = boot(arguments=read_only(image, 1), swap=True)
    result = machine.run("swapon vdb")
    assert result.status != 0 and "cannot be written" in result.output
    assert swapinfo(machine) == PARTITIONS


# --- At boot. ---

def messages(machine):
    return [line for line in machine.console.splitlines() if line.startswith("init:")]


def test_swap_partitions_are_added_at_boot(boot):
    """Those of all disks, by type, whatever their names are; nothing is said."""
    machine = boot(disks=[DISK], swap=True)
    assert swapinfo(machine) == {**PARTITIONS, "vdb2": (16384, 0, 4), "vdb3": (16384, 0, 4)}
    assert messages(machine) == []
    machine.check("swapoff vda")
    machine.check("swapoff vdb")
    assert swapinfo(machine) == {}
    machine.check("swapon vda3")
    assert "Quire" in machine.check("cat /etc/motd")


@pytest.mark.parametrize("append", ["-- noswap", "panic=halt -- noswap"])
def test_not_if_told_so(boot, append):
    machine = boot(append=append, wait=False, swap=True)
    machine.wait_for_prompt()
    assert swapinfo(machine) == {} and messages(machine) == []


def test_noswap_and_run(boot):
    machine = boot(append="-- noswap run swapinfo", wait=False, swap=True)
    assert machine.wait_for_end() == 0
    assert "vda2" not in machine.console
    machine = boot(append="-- run swapinfo", wait=False, swap=True)
    assert machine.wait_for_end() == 0
    assert "vda2" in machine.console and "vda3" in machine.console


def test_a_read_only_disk_is_not_used(boot):
    """One line says so; all else is as ever."""
    machine = boot(disk=None, arguments=read_only(DISK, 0), swap=True)
    line, = [line for line in messages(machine) if "swap" in line]
    assert "disk 0" in line and "ACCESS_DENIED" in line
    assert swapinfo(machine) == {}


HEADER, ENTRIES, ENTRY, SECTOR = 512, 1024, 128, 512


def sealed(image):
    """The table's checksums made right."""
    struct.pack_into("<I", image, HEADER + 88, zlib.crc32(image[ENTRIES:ENTRIES + 128 * ENTRY]))
    struct.pack_into("<I", image, HEADER + 16, 0)
    struct.pack_into("<I", image, HEADER + 16, zlib.crc32(image[HEADER:HEADER + 92]))


def range_of(image, number):
    return struct.unpack_from("<QQ", image, ENTRIES + (number - 1) * ENTRY + 32)


def set_range(image, number, first, last):
    struct.pack_into("<QQ", image, ENTRIES + (number - 1) * ENTRY + 32, first, last)


def flip_a_bit_of_an_entry(image):
    image[ENTRIES + ENTRY + 33] ^= 1


def swap_begins_in_the_root(image):
    _, last = range_of(image, 2)
    set_range(image, 2, range_of(image, 1)[1], last)
    sealed(image)


def swap_within_the_root(image):
    first, _ = range_of(image, 1)
    set_range(image, 2, first + 8, first + 800)
    sealed(image)


def swap_over_the_table(image):
    set_range(image, 2, 1, 2000)
    sealed(image)


def swap_over_the_second_table(image):
    first, _ = range_of(image, 4)
    set_range(image, 2, *range_of(image, 4))
    set_range(image, 4, first, len(image) // SECTOR - 1)
    sealed(image)


def a_thousand_entries(image):
    struct.pack_into("<I", image, HEADER + 80, 1000)
    sealed(image)


def entries_behind_the_end(image):
    struct.pack_into("<Q", image, HEADER + 72, len(image) // SECTOR - 1)
    sealed(image)


def swap_longer_than_the_disk(image):
    first, _ = range_of(image, 3)
    set_range(image, 3, first, 1 << 60)
    sealed(image)


def no_entries(image):
    image[ENTRIES:ENTRIES + 128 * ENTRY] = bytes(128 * ENTRY)
    sealed(image)


@pytest.mark.parametrize("damage, expected", [
    (flip_a_bit_of_an_entry, {}), (swap_begins_in_the_root, {}), (swap_within_the_root, {}), (swap_over_the_table, {}),
    (swap_over_the_second_table, {}), (a_thousand_entries, {}), (entries_behind_the_end, {}),
    (swap_longer_than_the_disk, {"vdb2": (16384, 0, 4)}), (no_entries, {}),
])
def test_a_damaged_table(boot, tmp_path, damage, expected):
    """Nothing that might be somebody's is used as swap; the disk stays as it is, and the rest of the machine runs."""
    image = bytearray(DISK.read_bytes())
    damage(image)
    path = tmp_path / "disk.img"
    path.write_bytes(image)
    machine = boot(swap=True, arguments=["-drive", f"file={path},if=none,format=raw,id=damaged,file.locking=off",
                                        "-device", "virtio-blk-device,drive=damaged,bus=virtio-mmio-bus.1"])
    assert swapinfo(machine) == {**PARTITIONS, **expected}
    said = [line for line in messages(machine) if "disk 1" in line]
    assert len(said) == len(messages(machine)) <= 1, machine.console
    assert machine.power_off() == 0
    assert path.read_bytes() == image
