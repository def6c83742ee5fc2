#!/usr/bin/env python3
"""List the (call, status) pairs of kern/abi/syscalls.def that no test case covers.

A case covers a pair with CHECK_STATUS(sys_CALL(...), ERR_STATUS) or COVERS("CALL", STATUS, ...).  Pairs that
cannot be reached by a test are in statuses_waived.txt, each with its reason: `CALL STATUS reason`.
"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "mkfs"))

from abi import split_arguments, system_calls                   # noqa: E402

WAIVERS = HERE / "statuses_waived.txt"


def documented():
    return {(call.name, status) for call in system_calls() for status in call.statuses}


def macro_arguments(source, name):
    """The argument lists of every use of a macro, comments left out."""
    source = re.sub(r"/\*.*?\*/", "", source, flags=re.S)
    for match in re.finditer(rf"\b{name}\(", source):
        end, depth = match.end(), 1
        while depth and end < len(source):
            depth += (source[end] == "(") - (source[end] == ")")
            end += 1
        yield split_arguments(source[match.end():end - 1])


def covered_by(source):
    pairs = set()
    for arguments in macro_arguments(source, "CHECK_STATUS"):
        status = re.search(r"\bERR_(\w+)", arguments[-1])
        call = re.search(r"\bsys_(\w+)\s*\(", arguments[0])     # the outer one
        if call and status:
            pairs.add((call[1], status[1]))
    for call, *statuses in macro_arguments(source, "COVERS"):
        pairs |= {(call.strip('"'), status.removeprefix("ERR_")) for status in statuses}
    return pairs


def covered():
    folder = HERE.parent / "user" / "tests"
    return set().union(*(covered_by(path.read_text()) for path in sorted(folder.glob("*.c"))))


def waived():
    """Pairs to reasons."""
    result = {}
    for line in WAIVERS.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            call, status, reason = line.split(None, 2)
            result[call, status] = reason
    return result


def main():
    open_pairs = sorted(documented() - covered() - set(waived()))
    for call, status in open_pairs:
        print(f"{call} ERR_{status}")
    print(f"{len(open_pairs)} of {len(documented())} pairs are not covered", file=sys.stderr)
    return 1 if open_pairs else 0


if __name__ == "__main__":
    sys.exit(main())
