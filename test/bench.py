#!/usr/bin/env python3
"""Run the programs of user/bench on one hart that counts instructions, and print a table.

A program prints a line `BENCH operation: instructions` for each thing it measures, `RATIO what: number` for what only a clock
can tell, within one run on two harts.  peers.txt gives the order
of the rows and the peers' numbers; what it does not name comes last.
"""

import argparse
import re
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from quire.machine import BUILD, DISK, Machine

RESULT = re.compile(r"^BENCH (.*): (\d+)$", re.M)
RATIO = re.compile(r"^RATIO (.*): ([\d.]+)$", re.M)
ROW = "{:46} {:>10} {:>10} {:>10} {:>10}"


def peers():
    """Operation to [xv6, Linux, goal], as text; empty where there is none."""
    table = {}
    for line in (Path(__file__).parent / "peers.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            operation, _, numbers = line.partition("=")
            table[operation.strip()] = [number.strip() for number in numbers.split("|")]
    return table


def commands(program):
    """What to run of a program, each in a machine of its own: its arguments, and if there is a disk."""
    if program == "files":
        return [(arguments, DISK) for arguments in ("mmap", "read", "random", "programs")]
    return [("", None), ("", DISK)] if program == "boot" else [("", None)]


@contextmanager
def swap_machine(**options):
    """128 MiB of memory and a disk of 320 MiB, all of it for paging."""
    with tempfile.NamedTemporaryFile(prefix="quire-swap-") as image:
        image.truncate(320 << 20)
        with Machine("bench/swap", cpus=1, memory="128M", disk=image.name, arguments=("-icount", "shift=0,sleep=on"),
                     **options) as machine:
            yield machine


def run(program, arguments, disk, **options):
    """What a program prints.  The one called boot takes the shell's place, each other is typed at the prompt.

    The one called swap has a machine of its own.  With a disk the guest's clock keeps pace with ours while it sleeps, so that no timer goes off too early.
    """
    if program == "swap":
        with swap_machine(**options) as machine:
            return machine.check("bench/swap")
    options |= {"cpus": 1, "disk": disk, "icount": not disk,
                "arguments": ("-icount", "shift=0,sleep=on") if disk else ()}
    if program == "boot":
        with Machine("bench/boot", append="-- run bench/boot", **options) as machine:
            machine.wait_for_end()
            return machine.console
    with Machine(f"bench/{program}", **options) as machine:
        return machine.check(f"bench/{program} {arguments}")


def measure(programs, **options):
    """Operation to instructions, for every program."""
    results = {}
    for program in programs:
        for arguments, disk in commands(program):
            found = RESULT.findall(run(program, arguments, disk, **options))
            if not found:
                sys.exit(f"bench/{program} printed no result")
            results.update((operation, int(count)) for operation, count in found)
    return results


def boot_time(**options):
    """Seconds from the start of QEMU to the prompt, on this host's clock: the median of five."""
    times = []
    for _ in range(5):
        begin = time.monotonic()
        with Machine("bench/wall", **options):
            times.append(time.monotonic() - begin)
    return sorted(times)[2]


def ratios(**options):
    """What is measured on two harts, and how much faster it is there than on one."""
    with Machine("bench/ratios", cpus=2, disk=None, **options) as machine:
        return RATIO.findall(machine.check("bench/pager pairs"))


def request_size(**options):
    """Of 256 MiB written and read in order in 128 MiB: pages a disk request, as QEMU saw them."""
    with swap_machine(trace=("virtio_blk_handle_read", "virtio_blk_handle_write"), **options) as machine:
        machine.check("bench/swap sequential")
        sectors = [int(count) for count in re.findall(r"nsectors (\d+)", machine.trace_path.read_text())]
    return sum(sectors) / len(sectors) / 8


def number(text):
    return f"{int(text):,}" if text else "-"


def main():
    parser = argparse.ArgumentParser(description="Print the table of benchmarks.")
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    options = parser.parse_args()
    programs = sorted(path.name for path in (BUILD / "stage/bench").glob("*"))
    results = measure(programs, kernel=options.kernel, initrd=options.initrd)
    known = peers()
    print(ROW.format("guest instructions", "Quire", "xv6", "Linux", "goal"))
    for operation in [name for name in known if name in results] + [name for name in results if name not in known]:
        columns = known.get(operation, ["", "", ""])
        print(ROW.format(operation, number(results[operation]), *map(number, columns)))
    for what, ratio in ratios(kernel=options.kernel, initrd=options.initrd):
        print(f"{what}, on 2 harts: {ratio}")
    pages = request_size(kernel=options.kernel, initrd=options.initrd)
    print(f"swap in order: {pages:.1f} pages a disk request")
    seconds = boot_time(kernel=options.kernel, initrd=options.initrd)
    print(f"boot to the prompt, 2 harts and a disk: {seconds:.2f} s of wall clock")


if __name__ == "__main__":
    main()
