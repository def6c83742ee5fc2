#!/usr/bin/env python3
"""Run the programs of user/bench on one hart that counts instructions, and print a table.

A program prints a line `BENCH operation: instructions` for each thing it measures (under -icount one
instruction is one nanosecond of the guest's clock).  The peers' numbers come from peers.txt, by the name of
the operation.
"""

import argparse
import re
import sys
from pathlib import Path

from quire.machine import BUILD, Machine

RESULT = re.compile(r"^BENCH (.*): (\d+)$", re.M)


def peers():
    """Operation to (xv6, Linux), as text."""
    table = {}
    for line in (Path(__file__).parent / "peers.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            operation, _, numbers = line.partition("=")
            table[operation.strip()] = [number.strip() for number in numbers.split("|")]
    return table


def measure(programs, **options):
    """(operation, instructions) of every program, each in a machine of its own."""
    for program in programs:
        with Machine(f"bench/{program}", cpus=1, icount=True, **options) as machine:
            found = RESULT.findall(machine.check(f"bench/{program}"))
            if not found:
                sys.exit(f"bench/{program} printed no result:\n{machine.tail()}")
            yield from ((operation, int(count)) for operation, count in found)


def main():
    parser = argparse.ArgumentParser(description="Print the table of benchmarks.")
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrd", required=True)
    options = parser.parse_args()
    programs = sorted(path.name for path in (BUILD / "stage/bench").glob("*"))
    known = peers()
    print(f"{'operation':46} {'Quire':>12} {'xv6':>10} {'Linux':>10}   (guest instructions)")
    for operation, count in measure(programs, kernel=options.kernel, initrd=options.initrd):
        xv6, linux = known.get(operation, ["", ""])
        print(f"{operation:46} {count:12,} {xv6 or '-':>10} {linux or '-':>10}", flush=True)


if __name__ == "__main__":
    main()
