#!/usr/bin/env python3
"""Make the disk image of Quire: a partition table, a filled ext2 file system, swap and scratch room.

usage: mkdisk.py [--block-size 1024|2048|4096] [--programs FOLDER] [--files FOLDER] OUTPUT [PROGRAM...]

Works without root: sfdisk writes the GPT into a plain file, and mke2fs fills the file system from a
folder (-d).  PROGRAM is a path below --programs and has the same path on the disk.  Times, owners and
identifiers are fixed, so equal input gives an equal image.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MIB = 1 << 20
SECTOR = 512
TIME = 1_600_000_000                    # of every file and of the file system
DISK_ID = "51756972-6500-4000-8000-000000000000"
FILE_SYSTEM_ID = "51756972-6500-4000-8000-0000000000ff"
LINUX_TYPE = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
SWAP_TYPE = "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"

# label, size, type; laid out from 1 MiB on, with 1 MiB after the last for the second copy of the table.
PARTITIONS = [
    ("root", 64 * MIB, LINUX_TYPE),
    ("swap0", 16 * MIB, SWAP_TYPE),
    ("swap1", 16 * MIB, SWAP_TYPE),
    ("scratch", 16 * MIB, LINUX_TYPE),
]
FIRST = MIB
DISK_SIZE = FIRST + sum(size for _, size, _ in PARTITIONS) + MIB

MOTD = """\
Welcome to Quire, where every page is a promise somebody made.
The pages of this file were supplied by a user process.
"""

POEM = """\
A page that is not there is not an error.
It is a question: who said they would bring it?
"""


# Parts of the sentences of BOOK, chosen by a small generator so that the text is the same everywhere.
WHO = ["A careful kernel", "The pager", "A patient thread", "The last client", "Every process",
       "An old disk", "The file server", "A page table", "Some unknown program", "The scheduler",
       "A student", "The quiet interrupt", "A clean page", "The free list", "One small handle"]
DOES = ["waits for", "asks for", "never forgets", "moves", "counts", "shares", "gives back", "looks at",
        "cannot find", "keeps", "wakes", "maps", "copies", "promises", "is grateful for"]
WHAT = ["a page", "the block that follows", "an empty frame", "its own stack", "the answer to a question",
        "a message", "two holes in a file", "the next request", "a long name", "the end of the queue",
        "what nobody else wanted", "a lock", "the second copy", "everything it was given", "a reply"]
WHEN = ["before anyone notices", "at the edge of the file", "after the restart", "with interrupts off",
        "in the middle of the night", "without a copy", "as the manual says", "for the first time",
        "while the disk is turning", "because it was asked to", "and says so", "from the top again"]
BOOK_LENGTH = 400_000
LONG_NAME = "a-name-of-255-bytes-" + "n" * 235
FAR = 80 * MIB                          # beyond what double indirect blocks reach with 1 KiB blocks

EDGES = [512, 1024, 2048, 4096, 8192, 12288, 49152, 131072]     # see user/tests/t_edges.c


def edge_bytes(length):
    """Byte i is i % 251 + 1."""
    return (bytes(range(1, 252)) * (length // 251 + 1))[:length]


def book():
    """An English text of BOOK_LENGTH bytes, in paragraphs; a linear congruential generator is its muse."""
    state, column, parts, total = 20_260_101, 0, [], 0

    def choose(words):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return words[(state >> 33) % len(words)]

    while total < BOOK_LENGTH:
        for word in f"{choose(WHO)} {choose(DOES)} {choose(WHAT)} {choose(WHEN)}.".split():
            column += len(word) + 1
            parts.append(word + (" " if column < 72 else "\n"))
            total += len(parts[-1])
            column = column if column < 72 else 0
        if choose(range(7)) == 0:
            parts.append("\n\n")
            total, column = total + 2, 0
    return "".join(parts)[:BOOK_LENGTH - 1] + "\n"


def tool(name):
    """A program's path: the disk tools live in /sbin, which is not on every user's PATH."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        sys.exit(f"mkdisk: {name} is missing: run `make setup`")
    return path


def run(arguments, **options):
    environment = {**os.environ, "E2FSPROGS_FAKE_TIME": str(TIME), "LC_ALL": "C"}
    result = subprocess.run(arguments, env=environment, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, check=False, **options)
    if result.returncode != 0:
        sys.exit(f"mkdisk: {' '.join(map(str, arguments))} failed:\n{result.stdout}")


def random_bytes(name, length):
    """The same bytes everywhere, for ever: a hash stretched to `length`."""
    return hashlib.shake_128(name.encode()).digest(length)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def stage(root, programs, program_paths, files):
    """Fill the folder `root` with what the file system will hold."""
    write(root / "etc/motd", MOTD)
    write(root / "usr/share/pages.txt", POEM)
    write(root / "usr/share/book.txt", book())
    write(root / "data/random.bin", random_bytes("random.bin", 8 * MIB))
    write(root / "data/odd.bin", random_bytes("odd.bin", 12_345))
    write(root / "data/empty", b"")
    write(root / "data/one-line", "no newline at the end")
    write(root / "data/one-page.bin", random_bytes("one-page.bin", 4096))
    write(root / "data/deep/er/and/deeper/still.txt", "You have come a long way.\n")
    for number in range(200):
        write(root / f"data/many/file-{number:03}", f"{number}\n")
    sparse = root / "data/sparse.bin"               # hole, text, hole
    sparse.touch()
    with sparse.open("r+b") as stream:
        stream.seek(MIB)
        stream.write(b"between two holes\n")
        stream.truncate(3 * MIB + 100)
    far = root / "data/far.bin"                     # one line behind a hole that is larger than the disk
    far.touch()
    with far.open("r+b") as stream:
        stream.seek(FAR)
        stream.write(b"far away\n")
    for boundary in EDGES:
        for size in (boundary - 1, boundary, boundary + 1):
            write(root / f"data/edges/size-{size}", edge_bytes(size))
    holes = bytearray(edge_bytes(96 * 1024 + 77))   # mke2fs makes a hole of every block of zeros
    for unit in range(97):
        if unit * unit % 7 >= 3 or unit // 8 % 3 == 1:
            holes[unit * 1024:(unit + 1) * 1024] = bytes(len(holes[unit * 1024:(unit + 1) * 1024]))
    write(root / "data/edges/holes", bytes(holes))
    write(root / "data/edges/nothing-but-a-hole", bytes(10_000))
    write(root / "data/names" / LONG_NAME, "a long name\n")
    write(root / "data/names" / ("." + LONG_NAME[1:]), "a hidden long name\n")
    write(root / "data/names/with blanks and 'quotes'", "blanks\n")
    os.symlink("../etc/motd", root / "data/link-to-motd")
    os.symlink("loop", root / "data/loop")
    os.symlink("/etc/motd", root / "data/absolute-link")
    os.symlink("deep/er/and", root / "data/link-to-folder")
    os.symlink("nowhere/at/all", root / "data/broken-link")
    os.symlink("deep/" + "./" * 40 + "er/and/deeper/still.txt", root / "data/long-link")   # not in the inode
    os.link(root / "data/odd.bin", root / "data/hard-link")
    (root / "tmp").mkdir()
    for path in program_paths:
        write(root / path, (programs / path).read_bytes())
        (root / path).chmod(0o755)
    if files:
        shutil.copytree(files, root / "files", symlinks=True)


def partition_table(image):
    lines = ["label: gpt", f"label-id: {DISK_ID}", "unit: sectors", f"first-lba: {FIRST // SECTOR}"]
    offset = FIRST
    for number, (label, size, kind) in enumerate(PARTITIONS, start=1):
        lines.append(f"start={offset // SECTOR}, size={size // SECTOR}, type={kind}, "
                     f'name="{label}", uuid={DISK_ID[:-1]}{number}')
        offset += size
    run([tool("sfdisk"), "--quiet", "--no-reread", "--no-tell-kernel", image],
        input="\n".join(lines) + "\n")


def file_system(image, root, block_size):
    """mke2fs copies owners and change times from the folder; debugfs then makes them equal everywhere."""
    size = PARTITIONS[0][1]
    run([tool("mke2fs"), "-q", "-F", "-t", "ext2", "-L", "root", "-d", root, "-b", str(block_size),
         "-r", "1", "-I", "128", "-m", "0", "-O", "none,sparse_super,filetype",
         "-U", FILE_SYSTEM_ID,
         "-E", f"offset={FIRST},hash_seed={FILE_SYSTEM_ID},root_owner=0:0",
         image, f"{size // 1024}k"], stdin=subprocess.DEVNULL)
    commands = []
    for path in [root, *sorted(root.rglob("*"))]:
        name = "/" + str(path.relative_to(root)) if path != root else "/"
        for field, value in (("uid", 0), ("gid", 0), ("atime", f"@{TIME}"), ("ctime", f"@{TIME}"),
                             ("mtime", f"@{TIME}")):
            commands.append(f'set_inode_field "{name}" {field} {value}')
    run([tool("debugfs"), "-w", "-f", "-", f"{image}?offset={FIRST}"],
        input="\n".join(commands) + "\n")


def make_disk(output, program_paths=(), programs=Path("."), files=None, block_size=4096):
    output = Path(output)
    image = output.with_name(output.name + ".new")
    with tempfile.TemporaryDirectory(prefix="quire-disk-") as folder:
        root = Path(folder) / "root"
        root.mkdir(mode=0o755)
        stage(root, Path(programs), program_paths, files)
        with image.open("wb") as stream:
            stream.truncate(DISK_SIZE)
        try:
            partition_table(image)
            file_system(image, root, block_size)
            os.replace(image, output)
        finally:
            image.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description="Make the disk image of Quire.")
    parser.add_argument("output")
    parser.add_argument("paths", nargs="*", metavar="PROGRAM")
    parser.add_argument("--block-size", type=int, choices=(1024, 2048, 4096), default=4096)
    parser.add_argument("--programs", default=".", help="folder that holds the programs")
    parser.add_argument("--files", help="a folder that becomes /files on the disk")
    options = parser.parse_args()
    if options.files and not Path(options.files).is_dir():
        sys.exit(f"mkdisk: FILES={options.files} is not a folder")
    os.umask(0o022)
    make_disk(options.output, options.paths, options.programs, options.files, options.block_size)


if __name__ == "__main__":
    main()
