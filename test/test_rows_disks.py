"""Rows of the feature table that need disks of their own: one whose writes fail, a slow one."""

import json
import re


def reports(output):
    """What tests/t_rows_clusters found out: name to (pages right, failed to go, went, came)."""
    return {match[1]: tuple(map(int, match.groups()[1:])) for match in
            re.finditer(r"^([\w ]+): (\d+) pages right, (\d+) failed to go, (\d+) went, (\d+) came$", output, re.M)}


def blank(path, size):
    with path.open("wb") as image:
        image.truncate(size)
    return path


def test_row_39_what_could_not_be_written_is_never_read_back(boot, tmp_path):
    """All writes to vdb fail: its blocks hold zeros, and nobody sees them."""
    rules = [{"event": "none", "iotype": "write", "errno": 5}]
    broken = {"driver": "blkdebug", "node-name": "broken", "inject-error": rules,
              "image": {"driver": "file", "filename": str(blank(tmp_path / "broken", 8 << 20))}}
    machine = boot(disks=[], arguments=[
        "-blockdev", json.dumps(broken), "-device",
        "virtio-blk-device,drive=broken,bus=virtio-mmio-bus.1,werror=report,rerror=report",
        "-drive", f"file={blank(tmp_path / 'sound', 32 << 20)},if=none,format=raw,id=sound",
        "-device", "virtio-blk-device,drive=sound,bus=virtio-mmio-bus.2"])
    found = reports(machine.check("tests/t_rows_clusters row_39 vdb vdc"))
    assert found["one disk"][0] == 256 and found["one disk"][1] > 0
    right, failed, went, came = found["failing"]
    assert right == 256 and failed > 0 and went == came == 0
    right, failed, went, came = found["sound"]
    assert right == 256 and failed == 0 and went >= 256 and came >= 256


def most_at_once(lines, device_lines):
    """The greatest number of requests between their beginnings and their ends, and how many there were."""
    running, most, total = set(), 0, 0
    for line in lines:
        begin = re.search(r"virtio_blk_handle_(?:read|write) .*?vdev (\S+) req (\S+)", line)
        end = re.search(r"virtio_blk_rw_complete .*?vdev (\S+) req (\S+)", line)
        if begin and begin[1] in device_lines:
            running.add(begin[2])
            total += 1
            most = max(most, len(running))
        elif end:
            running.discard(end[2])
    return most, total


def test_row_46_transfers_at_one_moment_are_limited(boot, tmp_path):
    """A slow disk, so that they pile up: page-out has 8 of the 16 transfers."""
    image = blank(tmp_path / "slow", 16 << 20)
    machine = boot(memory="64M", trace=["virtio_blk_handle_read", "virtio_blk_handle_write", "virtio_blk_rw_complete"],
                   arguments=["-drive", f"file={image},if=none,format=raw,id=slow,throttling.iops-total=400",
                              "-device", "virtio-blk-device,drive=slow,bus=virtio-mmio-bus.1"])
    before = len(machine.trace_lines())
    found = reports(machine.check("tests/t_rows_clusters row_46 vdb"))
    assert found["slow"][0] == 2048 and found["slow"][2] >= 2048
    assert machine.power_off() == 0
    lines = machine.trace_lines()[before:]
    devices = {match[1] for match in (re.search(r"vdev (\S+) req", line) for line in lines) if match}
    most, total = most_at_once(lines, devices)
    assert total >= 2048 / 16
    assert 1 < most <= 16
