#!/usr/bin/env python3
"""Where the instructions of an operation go: `make profile BENCH=pager` profiles what user/bench/pager.c measures.

The program runs with a log of every instruction.  Between two readings of the counter lies an operation or what is
between two of them; bench.h reads it twice in a row behind an operation, and calls compare_values before it prints a
result.  So the log tells the operations apart without help from the guest.  Of each, the sample of median length is
printed, function by function.  Inlined functions count for those they are in.  An operation that enters the kernel in
several ways is also printed way by way: each system call with all that was done for it.

Other programs run at the same addresses.  The log names the block of translated code, and shows the instruction when
the block is made: where that is not the program's own instruction, another program runs.
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
OTHER = 1 << 62                         # added to addresses of other programs
TRANSLATED = re.compile(rb"0x([0-9a-f]{16}):  ([0-9a-f]+) ")


class Program:
    """The functions of an ELF file, and its instructions."""

    def __init__(self, path):
        symbols = [line.split() for line in self._tool("nm", "-n", path) if re.search(r" [tTwW] ", line)]
        self.addresses = [int(symbol[0], 16) for symbol in symbols]
        self.names = [symbol[2] for symbol in symbols]
        self.instructions, self.readings = {}, set()
        for line in self._tool("objdump", "-d", path):
            match = re.match(r" *([0-9a-f]+):\t([0-9a-f]+) ", line)
            if match:
                self.instructions[int(match[1], 16)] = match[2]
                if "rdinstret" in line:
                    self.readings.add(int(match[1], 16))

    @staticmethod
    def _tool(name, *arguments):
        return subprocess.run([f"riscv64-unknown-elf-{name}", *arguments], text=True, check=True,
                              stdout=subprocess.PIPE).stdout.splitlines()

    def address(self, name):
        return self.addresses[self.names.index(name)]

    def function(self, address):
        """Start and name of the function that an address is in."""
        index = max(0, bisect.bisect_right(self.addresses, address) - 1)
        return self.addresses[index], self.names[index]


def executed_addresses(log, program):
    """The address of every instruction in the log; of other programs than this one with OTHER."""
    pending, blocks = {}, {}            # instruction by its address; address, or with OTHER, by its block
    for line in log:
        if line.startswith(b"Trace"):
            block, rest = line.split(b" [", 1)
            address = int(rest.split(b"/", 2)[1], 16)
            if address in pending:
                own = program.instructions.get(address) == pending.pop(address)
                blocks[block] = address if own or address >= KERNEL_START else address | OTHER
            yield blocks.get(block, address if address >= KERNEL_START else address | OTHER)
        elif line.startswith(b"0x"):
            match = TRANSLATED.match(line)
            if match:
                pending[int(match[1], 16)] = match[2].decode()


def median_samples(log, program):
    """The median sample, as executed addresses, of each operation in the order of their results."""
    start, executed = None, array("Q")
    last, last_start, samples, samples_start = None, None, [], None
    compare = program.address("compare_values")
    for address in executed_addresses(log, program):
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
        else:
            executed.append(address)


def record(name, program):
    """(operation, executed addresses) for every result that the program prints."""
    found = []
    with Machine(f"profile/{name}", cpus=1, icount=True, disk=None, arguments=("-singlestep",)) as machine:
        log = machine.folder / "log"
        os.mkfifo(log)
        reader = threading.Thread(target=lambda: found.extend(median_samples(log.open("rb"), program)))
        reader.start()
        for command in (f"logfile {log}", "log in_asm,exec,nochain"):
            machine.monitor("human-monitor-command", **{"command-line": command})
        output = machine.check(f"bench/{name}")
    reader.join()
    return zip(RESULT.findall(output), found)


def stretches(executed, kernel):
    """Split where the kernel is entered from user mode or left, and where it changes to another thread's stack."""
    entry, from_kernel, switch = map(kernel.address, ("trap_entry", "from_kernel", "stack_switch"))
    begin = 0
    for index in range(1, len(executed)):
        address = executed[index]
        if (address == switch or address < KERNEL_START <= executed[index - 1] or
                (address == entry and executed[index + 2] != from_kernel)):
            yield executed[begin:index]
            begin = index
    yield executed[begin:]


def purpose(names, kernel):
    """What a stretch in the kernel is for, by the functions that were run."""
    for name in names:
        call = re.sub("^(call|sys)_", "", name)
        if call != name and f"call_{call}" in kernel.names and f"sys_{call}" in kernel.names:
            return f"sys_{call}"
    for name, meaning in (("vm_fault", "page fault"), ("user_exception", "exception"),
                          ("thread_first_run", "first run of a thread")):
        if name in names:
            return meaning
    return "interrupts, and the rest of what slept"


def count(executed, kernel, user):
    """Instructions by function and by purpose, each with the number of its calls."""
    functions, calls, purposes, entries = Counter(), Counter(), Counter(), Counter()
    entry = kernel.address("trap_entry")
    for stretch in stretches(executed, kernel):
        names = []
        other = any(address & OTHER for address in stretch) and stretch[0] < KERNEL_START
        for address in stretch:
            program = kernel if address >= KERNEL_START else user
            start, name = (None, "(other programs)") if other else program.function(address)
            name = name if program is kernel or other else f"(user) {name}"
            if not names or names[-1] != name:
                names.append(name)
            functions[name] += 1
            calls[name] += address == start
        what = purpose(names, kernel) if stretch[0] >= KERNEL_START else "(other programs)" if other else "(user)"
        purposes[what] += len(stretch)
        entries[what] += stretch[0] == entry
    return functions, calls, purposes, entries


def print_counts(counts, calls, limit, last):
    print(f"{'all':>10} {'calls':>6}  {last}")
    for name, number in counts.most_common(limit):
        print(f"{number:10,} {calls[name]:6}  {name}")


def main():
    parser = argparse.ArgumentParser(description="Print where the instructions of each operation go.")
    parser.add_argument("program", help="a program of user/bench, without .c")
    parser.add_argument("--lines", type=int, default=40, help="functions to print for each operation")
    options = parser.parse_args()
    kernel, user = Program(KERNEL), Program(BUILD / "symbols/bench" / options.program)
    for operation, executed in record(options.program, user):
        functions, calls, purposes, entries = count(executed, kernel, user)
        print(f"\n{operation}: a sample of {len(executed):,} instructions")
        print_counts(functions, calls, options.lines, "function")
        if len(purposes) > 3:
            print_counts(purposes, entries, None, "all that was done for")


if __name__ == "__main__":
    main()
