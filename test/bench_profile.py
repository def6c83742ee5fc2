#!/usr/bin/env python3
"""Where the instructions of an operation go: `make profile BENCH=pager` profiles what user/bench/pager.c measures.

The program runs with a log of every instruction.  Between two readings of the counter lies an operation or what is
between two of them; bench.h reads it twice in a row behind an operation, and calls compare_values before it prints a
result.  So the log tells the operations apart without help from the guest.  Of each, the sample of median length is
printed, function by function.  Inlined functions count for those they are in.
"""

import argparse
import bisect
import os
import re
import subprocess
import threading
from array import array
from collections import Counter

from quire.machine import BUILD, KERNEL, Machine

RESULT = re.compile(r"^BENCH (.*): \d+$", re.M)
KERNEL_START = 1 << 63


class Program:
    """The functions of an ELF file, and its instructions that read the counter."""

    def __init__(self, path):
        symbols = [line.split() for line in self._tool("nm", "-n", path) if re.search(r" [tTwW] ", line)]
        self.addresses = [int(symbol[0], 16) for symbol in symbols]
        self.names = [symbol[2] for symbol in symbols]
        self.readings = {int(line.split(":")[0], 16)
                         for line in self._tool("objdump", "-d", path) if "rdinstret" in line}

    @staticmethod
    def _tool(name, *arguments):
        return subprocess.run([f"riscv64-unknown-elf-{name}", *arguments], text=True, check=True,
                              stdout=subprocess.PIPE).stdout.splitlines()

    def function(self, address):
        """Start and name of the function that an address is in."""
        index = max(0, bisect.bisect_right(self.addresses, address) - 1)
        return self.addresses[index], self.names[index]


def median_samples(log, program):
    """The median sample, as executed addresses, of each operation in the order of their results."""
    start, executed = None, array("Q")
    last, last_start, samples, samples_start = None, None, [], None
    compare = program.addresses[program.names.index("compare_values")]
    for line in log:
        address = int(line.split(b"/", 2)[1], 16) if line.startswith(b"Trace") else None
        if address in program.readings:
            if start is not None and not executed:      # two readings in a row: an operation lies behind us
                if samples_start != last_start:
                    samples, samples_start = [], last_start
                samples.append(last)
            last, last_start = executed, start
            start, executed = address, array("Q")
        elif address == compare and samples:
            samples.sort(key=len)
            yield samples[len(samples) // 2]
            samples = []
        elif address is not None:
            executed.append(address)


def record(name, program):
    """(operation, executed addresses) for every result that the program prints."""
    found = []
    with Machine(f"profile/{name}", cpus=1, icount=True, disk=None, arguments=("-singlestep",)) as machine:
        log = machine.folder / "log"
        os.mkfifo(log)
        reader = threading.Thread(target=lambda: found.extend(median_samples(log.open("rb"), program)))
        reader.start()
        for command in (f"logfile {log}", "log exec,nochain"):
            machine.monitor("human-monitor-command", **{"command-line": command})
        output = machine.check(f"bench/{name}")
    reader.join()
    return zip(RESULT.findall(output), found)


def main():
    parser = argparse.ArgumentParser(description="Print where the instructions of each operation go.")
    parser.add_argument("program", help="a program of user/bench, without .c")
    parser.add_argument("--lines", type=int, default=40, help="functions to print for each operation")
    options = parser.parse_args()
    kernel, user = Program(KERNEL), Program(BUILD / "symbols/bench" / options.program)
    for operation, executed in record(options.program, user):
        counts, calls = Counter(), Counter()
        for address in executed:
            program, mark = (kernel, "") if address >= KERNEL_START else (user, "(user) ")
            start, function = program.function(address)
            counts[mark + function] += 1
            calls[mark + function] += address == start
        print(f"\n{operation}: a sample of {len(executed):,} instructions\n{'all':>10} {'calls':>6}")
        for function, count in counts.most_common(options.lines):
            print(f"{count:10,} {calls[function]:6}  {function}")


if __name__ == "__main__":
    main()
