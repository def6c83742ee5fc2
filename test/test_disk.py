"""Disks as QEMU sees them: how many requests are in flight, how errors travel."""

READERS, READS = 8, 60


def depths(trace, after):
    """At each read that the device begins, how many it has (this one included)."""
    running, found = 0, []
    for line in trace.splitlines():
        if "virtio_blk_handle_read" in line:
            running += 1
            found.append(running)
        elif "virtio_blk_rw_complete" in line:
            running -= 1
    return found[after:]


def test_random_readers_keep_the_disk_busy(boot):
    machine = boot(cpus=2, trace=["virtio_blk_handle_read", "virtio_blk_rw_complete"],
                   arguments=["-drive", "driver=null-co,size=64M,read-zeroes=on,latency-ns=50000000,"
                              "if=none,id=slow", "-device",
                              "virtio-blk-device,drive=slow,bus=virtio-mmio-bus.1"])
    before = machine.trace_path.read_text().count("virtio_blk_handle_read")
    machine.check(f"readers vdb {READERS} {READS}")
    found = depths(machine.trace_path.read_text(), before)
    assert len(found) >= READERS * READS
    assert sum(found) / len(found) >= 4
