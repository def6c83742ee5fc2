"""Booting: every number of harts, every size of memory, with and without disks, and how it ends."""

import os
import re
import signal
import subprocess

import pytest

from quire.machine import DISK, KERNEL, ROOT, WAIT_LIMIT


@pytest.mark.parametrize("memory", ["32M", "128M", "2G"])
@pytest.mark.parametrize("cpus", [1, 2, 4, 8])
def test_boots(boot, cpus, memory):
    machine = boot(cpus=cpus, memory=memory, swap=True)
    assert machine.check("echo it lives") == "it lives\n"
    assert machine.power_off() == 0


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_status_reaches_the_host(boot, code):
    assert boot().power_off(code) == code


def test_without_a_disk(boot):
    """The first program says in one line that there is no disk; the shell of the boot archive runs."""
    machine = boot(disk=None)
    lines = [line for line in machine.console.splitlines() if line.startswith("init:")]
    assert len(lines) == 1 and "disk" in lines[0], machine.console
    assert machine.check("echo still here") == "still here\n"
    assert machine.run("cat /etc/motd").status != 0
    assert machine.power_off() == 0


def test_run_from_the_command_line(boot):
    machine = boot(append="-- run echo from the command line", wait=False)
    assert machine.wait_for_end() == 0
    assert "from the command line\n" in machine.console


def test_run_gives_the_exit_status(boot):
    assert boot(append="-- run false", wait=False).wait_for_end() == 1


def test_several_disks(boot, tmp_path):
    second = tmp_path / "second.img"
    with second.open("wb") as stream:
        stream.truncate(4 << 20)
    machine = boot(disks=[second])
    assert "Quire" in machine.check("cat /etc/motd")


@pytest.fixture
def make_qemu(tmp_path):
    """make_qemu(script): `make qemu` with a script as its input, on a disk of its own: exit status and output."""
    image = tmp_path / "disk.img"
    subprocess.run(["cp", "--sparse=always", DISK, image], check=True)
    return lambda script: run_make_qemu(script, image)


def run_make_qemu(script, image):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment.pop("MFLAGS", None)     # we may run below `make test`, which is not its parent
    with subprocess.Popen(["make", "--no-print-directory", "qemu", f"IMAGE={image}"], cwd=ROOT, text=True,
                          env=environment, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            output, _ = process.communicate(script, timeout=WAIT_LIMIT)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, output


def test_make_qemu_runs_a_script(make_qemu):
    """The README's line: commands through a pipe, and the guest's exit status."""
    status, output = make_qemu("help\npoweroff\n")
    assert status == 0, output
    assert output.count("quire$ ") >= 2
    assert "poweroff" in output.split("quire$ ", 2)[1], "help names the commands"


def test_make_qemu_gives_the_exit_status(make_qemu):
    status, output = make_qemu("poweroff 3\n")
    assert status == 2, output          # make's own status for a recipe that failed


def test_make_qemu_ends_with_its_input(make_qemu):
    status, output = make_qemu("echo one\necho two\n")
    assert status == 0, output
    assert re.search(r"^one$", output, re.M) and re.search(r"^two$", output, re.M)


def test_kernel_maps_nothing_writable_and_executable():
    headers = subprocess.run(["riscv64-unknown-elf-readelf", "-lW", KERNEL], text=True, check=True,
                             stdout=subprocess.PIPE).stdout
    assert not [line for line in headers.splitlines() if "LOAD" in line and "RWE" in line]
