"""Damaged file systems: whatever the metadata says, nothing crashes and nothing hangs.

One disk carries many small partitions, each with the same file system and damage of its own from a
seed; fswalk (user/demo) mounts them one after the other and reads everything.
"""

import random
import re
import struct
import subprocess

import pytest

import mkdisk
from mkdisk import MIB, SECTOR
from quire.machine import DISK

SEEDS_PER_DISK = 96                     # a GPT has 128 entries
SIZE = MIB                              # of a partition
LINE = re.compile(r"^(vd[a-z]\d+): mount (\w+), (\d+) read, (\d+) errors, server (\w+)$", re.M)


def clean_file_system(folder, block_size):
    """A small tree that uses every kind of block there is."""
    root = folder / "root"
    for name, content in {
            "text": b"some text\n", "empty": b"", "deep/er/still": b"here\n",
            "long": mkdisk.random_bytes("long", 300_000),       # double indirect with 1 KiB blocks
            **{f"many/file-with-a-name-{number:02}": b"%d\n" % number for number in range(40)}}.items():
        mkdisk.write(root / name, content)
    with (root / "sparse").open("wb") as stream:
        stream.seek(200_000)
        stream.write(b"end")
    (root / "link").symlink_to("deep/er/still")
    (root / "long-link").symlink_to("x" * 200)
    image = folder / f"{block_size}.img"
    mkdisk.run([mkdisk.tool("mke2fs"), "-q", "-F", "-t", "ext2", "-d", root, "-b", str(block_size), "-r",
                "1", "-I", "128", "-m", "0", "-O", "none,sparse_super,filetype", "-N", "128", image,
                f"{SIZE // 1024}k"], stdin=subprocess.DEVNULL)
    return image.read_bytes()


class Layout:
    """Where the metadata of a clean file system is: lists of (offset, length)."""

    def __init__(self, image):
        self.image = image
        self.block_size = 1024 << struct.unpack_from("<I", image, 1024 + 24)[0]
        first_data, = struct.unpack_from("<I", image, 1024 + 20)
        inodes, = struct.unpack_from("<I", image, 1024)
        group = (first_data + 1) * self.block_size
        table, = struct.unpack_from("<I", image, group + 8)
        self.regions = {"super": [(1024, 104)], "group": [(group, 16)], "inode": [],
                        "directory": [], "indirect": []}
        for number in range(inodes):
            self.add_inode(table * self.block_size + number * 128)

    def pointers(self, block):
        return [pointer for pointer, in struct.iter_unpack(
            "<I", self.image[block * self.block_size:(block + 1) * self.block_size]) if pointer]

    def add_inode(self, at):
        mode, = struct.unpack_from("<H", self.image, at)
        blocks = struct.unpack_from("<15I", self.image, at + 40)
        if mode == 0:
            return
        self.regions["inode"].append((at, 100))
        if mode & 0o170000 == 0o040000:
            self.add_blocks("directory", [block for block in blocks[:12] if block])
        elif mode & 0o170000 == 0o100000:
            self.add_blocks("indirect", [block for block in blocks[12:14] if block])
            if blocks[13]:
                self.add_blocks("indirect", self.pointers(blocks[13]))

    def add_blocks(self, kind, blocks):
        self.regions[kind] += [(block * self.block_size, self.block_size) for block in blocks]


def damaged(layout, seed):
    """The file system with a few 1, 2 or 4 byte numbers of its metadata replaced."""
    chance = random.Random(seed)
    image = bytearray(layout.image)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        kind = chance.choices(("super", "group", "inode", "directory", "indirect"), (1, 1, 6, 5, 3))[0]
        offset, length = chance.choice(layout.regions[kind])
        size = chance.choice((1, 2, 4, 4))
        if kind in ("directory", "indirect"):
            length = chance.choice((64, length))        # where the numbers are used most
        at = offset + chance.randrange(length // size) * size
        old = int.from_bytes(image[at:at + size], "little")
        new = chance.choice((0, 1, old + 1, old - 1, old ^ 1 << chance.randrange(8 * size),
                             chance.randrange(SIZE // layout.block_size + 2),
                             chance.getrandbits(8 * size), -1, 1 << 8 * size - 1))
        image[at:at + size] = (new % (1 << 8 * size)).to_bytes(size, "little")
    return bytes(image)


def write_disk(path, file_systems):
    """A disk with one partition for each."""
    lines = ["label: gpt", "unit: sectors", f"first-lba: {MIB // SECTOR}"]
    with path.open("wb") as stream:
        for number, content in enumerate(file_systems):
            stream.seek(MIB + number * SIZE)
            stream.write(content)
            lines.append(f"start={(MIB + number * SIZE) // SECTOR}, size={SIZE // SECTOR}")
        stream.truncate(2 * MIB + len(file_systems) * SIZE)
    mkdisk.run([mkdisk.tool("sfdisk"), "--quiet", "--no-reread", "--no-tell-kernel", path],
               input="\n".join(lines) + "\n")


@pytest.mark.parametrize("block_size", [1024, 2048, 4096])
def test_damaged_metadata(boot, tmp_path, block_size):
    """The first partition is sound.  Nothing may be lost but what the damage is about."""
    clean = clean_file_system(tmp_path, block_size)
    layout = Layout(clean)
    disk = tmp_path / "disk.img"
    write_disk(disk, [clean] + [damaged(layout, block_size + seed) for seed in range(1, SEEDS_PER_DISK)])
    machine = boot(cpus=4, disks=[disk])
    results = {}
    for first in range(1, SEEDS_PER_DISK + 1, 16):
        names = [f"vdb{number}" for number in range(first, first + 16)]
        output = machine.check("fswalk " + " ".join(names))
        results |= {match[1]: match.groups()[1:] for match in LINE.finditer(output)}
    assert len(results) == SEEDS_PER_DISK
    assert not [name for name, result in results.items() if result[3] != "well"]
    assert results["vdb1"][:3] == ("OK", results["vdb1"][1], "0") and int(results["vdb1"][1]) > 45
    assert 5 < sum(result[0] != "OK" for result in results.values()) < SEEDS_PER_DISK / 2
    assert sum(int(result[2]) for result in results.values()) > 20, "damage shows as errors"
    assert "Quire" in machine.check("cat /etc/motd")
    assert "fatal" not in machine.console


def without_magic(image):
    image[mkdisk.FIRST + 1024 + 56:mkdisk.FIRST + 1024 + 58] = b"\0\0"


def without_table(image):
    image[SECTOR:2 * SECTOR] = bytes(SECTOR)
    image[-SECTOR:] = bytes(SECTOR)


def with_unknown_feature(image):
    struct.pack_into("<I", image, mkdisk.FIRST + 1024 + 96, 0x40)       # extents


def all_zeros(image):
    image[:4 * MIB] = bytes(4 * MIB)


@pytest.mark.parametrize("damage, message", [
    (without_magic, "cannot mount"), (with_unknown_feature, "cannot mount"),
    (without_table, "no disk with a root partition"), (all_zeros, "no disk with a root partition"),
])
def test_nothing_to_mount(boot, tmp_path, damage, message):
    """One line of init says what is wrong, and the rescue shell runs."""
    image = bytearray(DISK.read_bytes())
    damage(image)
    path = tmp_path / "disk.img"
    path.write_bytes(image)
    machine = boot(disk=path)
    lines = [line for line in machine.console.splitlines() if line.startswith("init:")]
    assert len(lines) == 1 and message in lines[0]
    assert machine.check("echo alive | cat") == "alive\n"
    assert machine.run("cat /etc/motd").status == 1
    assert machine.power_off() == 0


def test_a_disk_that_ends_early(boot, tmp_path):
    """The image was cut off behind the first megabytes: what lies there still works."""
    path = tmp_path / "disk.img"
    path.write_bytes(DISK.read_bytes()[:3 * MIB])
    machine = boot(disk=path)
    machine.run("cat /etc/motd")
    machine.run("ls -R /")
    assert machine.check("echo alive") == "alive\n"
