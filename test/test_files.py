"""Files of the ext2 disk, whose pages a user process supplies."""

import re
import subprocess

import pytest

import mkdisk
from quire.machine import BUILD

MIB = 1 << 20

FILES = {
    "/etc/motd": mkdisk.MOTD.encode(),
    "/usr/share/pages.txt": mkdisk.POEM.encode(),
    "/data/random.bin": mkdisk.random_bytes("random.bin", 8 * MIB),
    "/data/odd.bin": mkdisk.random_bytes("odd.bin", 12_345),
    "/data/hard-link": mkdisk.random_bytes("odd.bin", 12_345),
    "/data/link-to-motd": mkdisk.MOTD.encode(),
    "/data/one-page.bin": mkdisk.random_bytes("one-page.bin", 4096),
    "/data/empty": b"",
    "/data/sparse.bin": bytes(MIB) + b"between two holes\n" + bytes(2 * MIB + 100 - 18),
    "/data/deep/er/and/deeper/still.txt": b"You have come a long way.\n",
    "/data/many/file-123": b"123\n",
}


def host_cksum(content):
    """CRC and length as the host's cksum prints them."""
    output = subprocess.run(["cksum"], input=content, check=True, stdout=subprocess.PIPE).stdout
    return output.decode().split()[:2]


@pytest.fixture(scope="module", params=[1024, 2048, 4096])
def disk_machine(request, shared_disk_machine):
    return shared_disk_machine(request.param)


@pytest.fixture(scope="module")
def shared_disk_machine(tmp_path_factory):
    """A machine whose root file system has blocks of the size asked for."""
    from quire.machine import Machine
    machines = []

    def start(block_size):
        path = tmp_path_factory.mktemp("disk") / f"{block_size}.img"
        mkdisk.make_disk(path, ["bin/echo"], BUILD / "stage", None, block_size)
        machines.append(Machine(f"blocks-{block_size}", disk=path))
        machines[-1].wait_for_prompt()
        return machines[-1]

    yield start
    for machine in machines:
        machine.close()


@pytest.mark.parametrize("path", FILES)
def test_checksum_is_the_hosts(disk_machine, path):
    assert disk_machine.check(f"cksum {path}").split()[:2] == host_cksum(FILES[path])


@pytest.mark.parametrize("path", ["/data/random.bin", "/data/odd.bin", "/data/sparse.bin"])
def test_checksum_through_a_mapping(disk_machine, path):
    assert disk_machine.check(f"cksum -m {path}").split()[:2] == host_cksum(FILES[path])


def test_cat(disk_machine):
    assert disk_machine.check("cat /etc/motd") == mkdisk.MOTD


def test_ls(disk_machine):
    names = disk_machine.check("ls /data/many").split()
    assert [name for name in names if name.startswith("file-")] and "file-199" in names
    assert "motd" in disk_machine.check("ls /etc")


@pytest.mark.parametrize("path", ["/no/such/file", "/etc/motd/inside", "/data/loop", "/" + "n" * 300])
def test_paths_that_lead_nowhere(disk_machine, path):
    assert disk_machine.run(f"cat {path}").status != 0


def test_program_from_the_disk(machine):
    """The disk's own copy runs: it appears in the list of pager-backed VMOs with pages supplied."""
    assert machine.check("/bin/echo from the disk") == "from the disk\n"


def pager_requests(machine):
    """Sum of the column `requests` of pagerstat."""
    lines = machine.check("pagerstat").splitlines()
    head = next(line for line in lines if "requests" in line.lower())
    column = re.split(r"\s+", head.strip().lower()).index("requests")
    rows = [re.split(r"\s+", line.strip()) for line in lines[lines.index(head) + 1:] if line.strip()]
    return sum(int(row[column]) for row in rows if len(row) > column and row[column].isdigit())


def test_first_read_asks_and_second_does_not(boot):
    """Each program is run once before, so that only the file's own pages are counted."""
    machine = boot()
    machine.check("cksum /etc/motd")
    machine.check("pagerstat")
    before = pager_requests(machine)
    first = machine.check("cksum /data/random.bin")
    between = pager_requests(machine)
    assert 0 < between - before <= 80, "2048 pages, read ahead 128 KiB at a time"
    assert machine.check("cksum /data/random.bin") == first
    assert pager_requests(machine) == between
