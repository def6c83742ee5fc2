"""Every documented status of every system call has a case, or a reason why it cannot."""

import subprocess
import sys
from pathlib import Path

import statuses

ROOT = Path(__file__).resolve().parents[1]


def test_every_status_has_a_case():
    missing = statuses.documented() - statuses.covered() - set(statuses.waived())
    assert not missing, "no case for:\n" + "\n".join(f"  {call} ERR_{name}" for call, name in sorted(missing))


def test_cases_expect_documented_statuses():
    """A case for a status that the manual does not list: one of the two is wrong."""
    implied = ("NO_MEMORY", "NO_RESOURCES", "BAD_HANDLE", "WRONG_TYPE", "ACCESS_DENIED")
    extra = {pair for pair in statuses.covered() - statuses.documented() if pair[1] not in implied}
    assert not extra, "not in the manual:\n" + "\n".join(f"  {call} ERR_{name}" for call, name in sorted(extra))


def test_waivers_are_needed():
    waivers = statuses.waived()
    assert all(reason.strip() for reason in waivers.values())
    assert not set(waivers) - statuses.documented(), "waived, but no such pair"
    assert not set(waivers) & statuses.covered(), "waived, but covered"


def test_the_parser_finds_pairs():
    source = '''
        CHECK_STATUS(sys_port_wait(port, 0,
                                   &packet), ERR_TIMED_OUT);
        COVERS("port_queue", SHOULD_WAIT, ERR_BAD_HANDLE);
        CHECK_STATUS(status, ERR_IO);  /* CHECK_STATUS(sys_no(), ERR_NO) */
    '''
    assert statuses.covered_by(source) == {
        ("port_wait", "TIMED_OUT"), ("port_queue", "SHOULD_WAIT"), ("port_queue", "BAD_HANDLE")}


def test_the_manual_is_current(tmp_path):
    """docs/syscalls.md is what `make docs` writes."""
    manual = tmp_path / "syscalls.md"
    subprocess.run([sys.executable, ROOT / "mkfs/manual.py", manual], check=True)
    assert manual.read_text() == (ROOT / "docs/syscalls.md").read_text(), "run `make docs`"
