"""Rows of the feature table that need a failing or a slow disk; the guest's part is user/tests/t_rows_disk.c."""

import json
import re

PAGES = 1024                            # of the disk; the test has 256
BLOCKS = (100, 40, 170, 240, 70)        # that fail, one at a time
SECTORS = 8                             # of a page


def second_disk(tmp_path, *rules, **limits):
    """QEMU arguments for an empty disk, vdb, with rules of blkdebug, or a limit of speed."""
    image = tmp_path / "second"
    image.write_bytes(bytes(PAGES * 4096))
    nodes = [{"driver": "file", "filename": str(image), "node-name": "image"}]
    if rules:
        nodes.append({"driver": "blkdebug", "node-name": "top", "image": "image",
                      "inject-error": [{"event": "none", "errno": 5, **rule} for rule in rules]})
    else:
        nodes.append({"driver": "throttle", "node-name": "top", "throttle-group": "group",
                      "file": "image"})
    group = {"qom-type": "throttle-group", "id": "group", "limits": limits}
    return [*(["-object", json.dumps(group)] if limits else []),
            *(word for node in nodes for word in ("-blockdev", json.dumps(node))), "-device",
            "virtio-blk-device,drive=top,bus=virtio-mmio-bus.1,werror=report,rerror=report"]


def run(machine, mode):
    """What the program found, as numbers, and whether all of its checks passed."""
    result = machine.run(f"tests/t_rows_disk {mode}")
    found = re.search(r"^\d+ .*(failed|written).*$", result.output, re.M)
    return [int(number) for number in re.findall(r"\d+", found[0])] if found else [], result.status == 0


def run_with_bad_block(boot, tmp_path, mode, **rule):
    """The block may come to be another program's, or the test's own stack, which ends it: then there is another try."""
    for block in BLOCKS:
        machine = boot(cpus=2, arguments=second_disk(tmp_path, {"sector": block * SECTORS, **rule}))
        numbers, passed = run(machine, mode)
        if numbers and numbers[-1] > 0 and passed:
            assert machine.check("echo alive") == "alive\n"
            return numbers
        machine.close()
    raise AssertionError("the test's memory never was on the bad block")


def test_row_54_a_read_error_is_of_its_page_alone(boot, tmp_path):
    failed, again, _ = run_with_bad_block(boot, tmp_path, "order", iotype="read")
    assert [failed, again] == [1, 1]


def test_row_55_a_read_error_is_told_once(boot, tmp_path):
    """The disk is well again after one error: who asks again has the page."""
    failed, again, _ = run_with_bad_block(boot, tmp_path, "apart", iotype="read", once=True)
    assert [failed, again] == [1, 0]


def test_row_64_an_error_while_reading_ahead_is_silent(boot, tmp_path):
    failed, again, in_transfers = run_with_bad_block(boot, tmp_path, "order", iotype="read", once=True)
    assert [failed, again] == [0, 0] and in_transfers > 1


def test_row_87_a_write_error_loses_nothing(boot, tmp_path):
    """Rows 77 and 78 too: the pages stay, and go to other blocks."""
    failed, retired = run_with_bad_block(boot, tmp_path, "write", iotype="write")
    assert failed >= 1 and retired >= 1


def test_row_89_a_page_being_written_is_read_from_memory(boot, tmp_path):
    machine = boot(cpus=2, arguments=second_disk(tmp_path, **{"iops-total": 10}))
    machine.check("tests/t_rows_disk slow")
