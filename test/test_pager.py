"""What the kernel says on the console about pages that a pager did not bring."""

import re

STATUSES = ["IO", "IO_DATA_INTEGRITY", "BAD_STATE", "NO_SPACE", "BUFFER_TOO_SMALL"]


def test_line_of_a_program_whose_page_failed(boot):
    machine = boot(cpus=4)
    output = machine.check("tests/t_pager_supply")
    for status in STATUSES:
        assert re.search(rf"^quire: tiny\[\d+\]: (?:load from|store to) address 0x[0-9a-f]+ at pc 0x[0-9a-f]+ "
                         rf"\({status}: .+\)$", output, re.M), status


def test_report_of_a_slow_pager(boot):
    """Reported after one second, given up after two."""
    machine = boot(cpus=4, append="pager_report=1 pager_timeout=2")
    output = machine.check("tests/t_pager_slow")
    assert re.search(r"^quire: slow pager: thread \d+ waits [1-9] s for pages 0\.\.1 of vmo \d+ "
                     r"\(key 0x1122334455667788\)$", output, re.M)
    assert re.search(r"^quire: tiny\[\d+\]: (?:load from|store to) address 0x[0-9a-f]+ at pc 0x[0-9a-f]+ "
                     r"\(TIMED_OUT: .+\)$", output, re.M)
