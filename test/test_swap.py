"""swapon, swapoff and swapinfo."""


def swapinfo(machine):
    """Device to (KiB, used, priority), from the table."""
    lines = machine.check("swapinfo").splitlines()
    assert lines[0].split() == ["DEVICE", "KiB", "USED", "FREE", "PRIORITY"]
    return {fields[0]: (int(fields[1]), int(fields[2]), int(fields[4]))
            for fields in map(str.split, lines[1:]) if len(fields) == 5 and fields[0].startswith("vd")}


def test_swap_comes_and_goes(boot):
    machine = boot(cpus=2)
    assert swapinfo(machine) == {}
    machine.check("swapon swap0")
    machine.check("swapon vda3 0")
    assert swapinfo(machine) == {"vda2": (16384, 0, 4), "vda3": (16384, 0, 0)}
    for command, message in [("swapon vda2", "in use"), ("swapon vda", "in use"), ("swapon nothing", "no such device"),
                             ("swapon vda3 7", "usage"), ("swapoff nothing", "no such device"), ("swapoff root", "not in use")]:
        result = machine.run(command)
        assert result.status != 0 and message in result.output, command
    machine.check("swapoff vda2")
    assert swapinfo(machine) == {"vda3": (16384, 0, 0)}
    machine.check("swapon vda2 0")
    machine.check("swapoff vda")                        # both lie on it
    assert swapinfo(machine) == {}
    machine.check("swapon swap1")


def test_a_read_only_disk_is_refused(boot, tmp_path):
    image = tmp_path / "read-only"
    image.write_bytes(bytes(1 << 20))
    machine = boot(arguments=["-drive", f"file={image},if=none,format=raw,readonly=on,id=ro",
                              "-device", "virtio-blk-device,drive=ro,bus=virtio-mmio-bus.1"])
    result = machine.run("swapon vdb")
    assert result.status != 0 and "cannot be written" in result.output
    assert swapinfo(machine) == {}
