"""Files of the ext2 disk, whose pages a user process supplies."""

import json
import random
import re
import shutil
import subprocess

import pytest

import mkdisk
from quire.machine import BUILD, DISK

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
    "/usr/share/book.txt": mkdisk.book().encode(),
    "/data/absolute-link": mkdisk.MOTD.encode(),
    "/data/long-link": b"You have come a long way.\n",
    "/data/link-to-folder/deeper/still.txt": b"You have come a long way.\n",
    "/data/one-line": b"no newline at the end",
    "/data/edges/nothing-but-a-hole": bytes(10_000),
    f"/data/names/{mkdisk.LONG_NAME}": b"a long name\n",
    f"/data/names/.{mkdisk.LONG_NAME[1:]}": b"a hidden long name\n",
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


def test_edges(disk_machine):
    """The ends of files and holes, for this size of block; test_guest.py has each case."""
    assert disk_machine.run("tests/t_edges").status == 0


@pytest.mark.parametrize("path", ["/no/such/file", "/etc/motd/inside", "/data/loop", "/data/broken-link",
                                  "/" + "n" * 300])
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


@pytest.mark.parametrize("option", ["", "-m "])
def test_second_read_asks_for_nothing(boot, option):
    """Each program is run once before, so that only the file's own pages are counted."""
    machine = boot()
    machine.check(f"cksum {option}/etc/motd")
    machine.check("pagerstat")
    before = pager_requests(machine)
    first = machine.check(f"cksum {option}/data/random.bin")
    between = pager_requests(machine)
    assert 0 < between - before <= 80, "2048 pages, read ahead 128 KiB at a time"
    for again in ("", "-m "):
        assert machine.check(f"cksum {again}/data/random.bin") == first
    assert pager_requests(machine) == between


@pytest.mark.parametrize("option", ["", "-m "])
def test_device_reads_of_a_sequential_read(boot, option):
    machine = boot(trace=["virtio_blk_handle_read"])
    machine.check(f"cksum {option}/etc/motd")
    before = len(machine.trace_lines())
    machine.check(f"cksum {option}/data/random.bin")
    between = len(machine.trace_lines())
    assert 64 <= between - before <= 80, "8 MiB in pieces of 128 KiB, and some metadata"
    machine.check(f"cksum {option}/data/random.bin")
    assert len(machine.trace_lines()) == between


def bytes_read(machine):
    """What QEMU's disk was asked to read, by its trace."""
    sectors = re.findall(r"virtio_blk_handle_read .* nsectors (\d+)", machine.trace_path.read_text())
    return 512 * sum(map(int, sectors))


def test_random_touches_read_little_more_than_they_need(boot):
    """One byte from each of many pages all over the file: the read-ahead must not take them for a walk."""
    machine = boot(trace=["virtio_blk_handle_read"])
    machine.check("hexdump -s 0 -n 1 /etc/motd")
    before = bytes_read(machine)
    pages = random.Random(7).sample(range(2048), 80)
    for page in pages:
        machine.check(f"hexdump -s {4096 * page + page % 4096} -n 1 /data/random.bin")
    assert len(pages) * 4096 <= bytes_read(machine) - before <= 1.25 * len(pages) * 4096



# --- Many at once, with little memory. ---

CROWD = ["/data/random.bin", "/usr/share/book.txt", "/data/sparse.bin", "/data/odd.bin"]


def crowd_commands():
    """Eight readers: each file read by one and mapped by another, the large ones by more."""
    same = [("", CROWD[0]), ("-m ", CROWD[0])] * 4
    different = [(option, path) for path in CROWD for option in ("", "-m ")]
    return {"same": same, "different": different}


@pytest.mark.parametrize("kind", ["same", "different"])
def test_eight_readers_on_four_harts(boot, kind):
    readers = crowd_commands()[kind]
    machine = boot(cpus=4, memory="32M")
    commands = " & ".join(f"cksum {option}{path}" for option, path in readers)
    for _ in range(3):                          # cold, then with what has stayed
        output = machine.check(f"{commands} & wait")
        found = sorted(line.split() for line in output.splitlines() if not line.startswith("["))
        assert found == sorted([*host_cksum(FILES[path]), path] for _, path in readers)
    assert machine.check("echo alive") == "alive\n"


def test_all_files_in_little_memory(boot):
    """More than memory holds: what nobody reads any more makes room."""
    machine = boot(cpus=4, memory="32M")
    expected = sorted([*host_cksum(content), path] for path, content in FILES.items() if "names" not in path)
    paths = " ".join(path for *_, path in expected)
    for option in ("", "-m "):
        output = machine.check(f"cksum {option}{paths}")
        assert sorted(line.split() for line in output.splitlines()) == expected


# --- Failures. ---

def block_of(path, index):
    """The block of the default image that holds block `index` of a file."""
    tool = mkdisk.tool("debugfs")
    output = subprocess.run([tool, "-R", f"bmap {path} {index}", f"{DISK}?offset={mkdisk.FIRST}"],
                            check=True, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL).stdout
    return int(output)


def failing_disk(image, sectors):
    """QEMU arguments for a disk with sectors that cannot be read."""
    rules = [{"event": "none", "iotype": "read", "errno": 5, "sector": sector} for sector in sectors]
    overlay = {"driver": "blkdebug", "node-name": "broken", "inject-error": rules,
               "image": {"driver": "file", "filename": str(image)}}
    return ["-blockdev", json.dumps(overlay), "-device",
            "virtio-blk-device,drive=broken,bus=virtio-mmio-bus.0,werror=report,rerror=report"]


def test_a_bad_sector_is_the_problem_of_its_readers(boot, tmp_path):
    """Block 100 of an 8 MiB file: the rest of the file is there, and every other file."""
    bad = mkdisk.FIRST // 512 + block_of("/data/random.bin", 100) * 8
    image = shutil.copy(DISK, tmp_path)
    machine = boot(disk=None, arguments=failing_disk(image, [bad]))
    for option in ("", "-m "):
        result = machine.run(f"cksum {option}/data/random.bin")
        assert result.status != 0
    assert "cksum: /data/random.bin: I/O error" in machine.run("cksum /data/random.bin").output
    content = FILES["/data/random.bin"]
    for page in (0, 99, 101, 102, 2047):                # read-ahead beyond it is silent
        output = machine.check(f"hexdump -s {page * 4096} -n 4096 /data/random.bin")
        first = " ".join(f"{byte:02x}" for byte in content[page * 4096:page * 4096 + 8])
        assert output.startswith(f"{page * 4096:08x}  {first}")
    assert machine.check("head -c 409600 /data/random.bin | cksum").split()[0] == \
        host_cksum(content[:409600])[0]
    for path in ("/data/odd.bin", "/usr/share/book.txt"):
        assert machine.check(f"cksum {path}").split()[:2] == host_cksum(FILES[path])


def koid_of(machine, name):
    return re.search(rf"^ *(\d+) .* {name}$", machine.check("ps"), re.M)[1]


def test_the_server_is_killed(boot):
    """Clients get errors, nothing hangs, and the shell goes on with the boot archive."""
    machine = boot(cpus=4)
    machine.check("cksum /etc/motd")
    machine.send("cksum -m /data/random.bin & cksum /data/random.bin & "
                 "cat /usr/share/book.txt > /dev/null &\n")
    machine.wait_for_prompt()
    # kill is one of its clients itself; deaths are reported at any time, also within what is echoed
    machine.send(f"kill {koid_of(machine, 'ext2fs')}\nwait\necho over\n")
    machine.wait_for(r"^over\n")
    machine.wait_for_prompt()
    assert any("ext2fs" not in machine.check("ps") for _ in range(100))
    for command in ("cat /etc/motd", "cat /data/odd.bin", "ls /", "cksum -m /etc/motd", "mount", "cd /data"):
        result = machine.run(command)
        assert result.status != 0 and result.output, command
    assert machine.check("echo alive") == "alive\n"
    assert machine.power_off() == 0
