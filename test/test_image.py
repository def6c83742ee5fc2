"""The disk image and the boot archive, checked on the host with other tools than those that made them."""

import os
import shutil
import struct
import subprocess
import uuid
from pathlib import Path

import pytest

import mkdisk
import mkinitrd

TOOLS_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
MIB = 1 << 20


@pytest.fixture(scope="module", params=[1024, 2048, 4096])
def image(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("disk")
    (folder / "bin").mkdir()
    (folder / "bin/program").write_bytes(b"\x7fELF and so on")
    (folder / "mine").mkdir()
    (folder / "mine/note with spaces.txt").write_text("from the host\n")
    output = folder / "disk.img"
    mkdisk.make_disk(output, ["bin/program"], folder, folder / "mine", request.param)
    return output


def partitions(path):
    """Label to (offset, size) from the table itself."""
    data = path.read_bytes()
    assert data[512:520] == b"EFI PART"
    first, count, size = struct.unpack_from("<QII", data, 512 + 72)
    result = {}
    for number in range(count):
        entry = data[first * 512 + number * size:first * 512 + (number + 1) * size]
        begin, end = struct.unpack_from("<QQ", entry, 32)
        if begin:
            label = entry[56:128].decode("utf-16-le").rstrip("\0")
            result[label] = (begin * 512, (end + 1 - begin) * 512, uuid.UUID(bytes_le=entry[:16]))
    return result


def debugfs(image, request):
    tool = shutil.which("debugfs", path=TOOLS_PATH)
    return subprocess.run([tool, "-R", request, f"{image}?offset={MIB}"], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def test_partitions(image):
    table = partitions(image)
    assert list(table) == ["root", "swap0", "swap1", "scratch"]
    assert [size // MIB for _, size, _ in table.values()] == [64, 16, 16, 16]
    assert table["root"][0] == MIB
    assert str(table["swap0"][2]).upper() == mkdisk.SWAP_TYPE
    regions = sorted((offset, offset + size) for offset, size, _ in table.values())
    assert all(end <= begin for (_, end), (begin, _) in zip(regions, regions[1:]))


def test_table_passes_sfdisk(image):
    tool = shutil.which("sfdisk", path=TOOLS_PATH)
    result = subprocess.run([tool, "--verify", image], check=True, text=True, stdout=subprocess.PIPE)
    assert "No errors" in result.stdout


def test_file_system_is_clean(image, tmp_path):
    root = tmp_path / "root.img"
    root.write_bytes(image.read_bytes()[MIB:65 * MIB])
    tool = shutil.which("e2fsck", path=TOOLS_PATH)
    result = subprocess.run([tool, "-fn", root], check=False, stdout=subprocess.PIPE, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("path, content", [
    ("/etc/motd", mkdisk.MOTD.encode()),
    ("/data/random.bin", mkdisk.random_bytes("random.bin", 8 * MIB)),
    ("/data/hard-link", mkdisk.random_bytes("odd.bin", 12_345)),
    ("/data/empty", b""),
    ("/data/sparse.bin", bytes(MIB) + b"between two holes\n" + bytes(2 * MIB + 100 - 18)),
    ("/usr/share/book.txt", mkdisk.book().encode()),
    (f"/data/names/{mkdisk.LONG_NAME}", b"a long name\n"),
    ("/data/edges/size-4097", mkdisk.edge_bytes(4097)),
    ("/bin/program", b"\x7fELF and so on"),
    ("/files/note with spaces.txt", b"from the host\n"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_content(image, path, content):
    assert debugfs(image, f'cat "{path}"') == content


def test_kinds_of_blocks(image):
    """The large file needs double-indirect blocks, sparse ones have holes, long links a block."""
    assert b"(DIND)" in debugfs(image, "stat /data/random.bin")
    assert int(debugfs(image, "stat /data/far.bin").split(b"Blockcount: ")[1].split()[0]) < 64
    assert b"(0)" in debugfs(image, "stat /data/long-link")
    assert len(mkdisk.LONG_NAME) == 255 and len(mkdisk.book()) == mkdisk.BOOK_LENGTH


def test_same_input_same_image(tmp_path):
    images = [tmp_path / "a.img", tmp_path / "b.img"]
    for path in images:
        mkdisk.make_disk(path)
    assert images[0].read_bytes() == images[1].read_bytes()


def test_boot_archive(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/a").write_bytes(b"12345")
    (tmp_path / "bin/b").write_bytes(b"")
    output = tmp_path / "archive"
    mkinitrd.main(str(output), str(tmp_path), "bin/b", "bin/a")
    data, members, at = output.read_bytes(), {}, 0
    while True:
        fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        assert data[at:at + 6] == b"070701"
        name = data[at + 110:at + 110 + fields[11] - 1].decode()
        body = (at + 110 + fields[11] + 3) // 4 * 4
        if name == "TRAILER!!!":
            break
        members[name] = (oct(fields[1]), data[body:body + fields[6]])
        at = (body + fields[6] + 3) // 4 * 4
    assert members == {"bin": ("0o40755", b""), "bin/a": ("0o100755", b"12345"),
                       "bin/b": ("0o100755", b"")}


def test_built_image_has_the_programs():
    from quire.machine import BUILD, DISK
    for path in sorted((BUILD / "stage/bin").iterdir()):
        assert debugfs(DISK, f'cat "/bin/{path.name}"') == Path(path).read_bytes()
