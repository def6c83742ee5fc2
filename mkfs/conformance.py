#!/usr/bin/env python3
"""Write the table of the pager conformance suite into its page.    usage: conformance.py PAGE

A case of user/tests/t_conform_*.c states what it checks in the comment above it, which begins with the number
of the section that says so: `/* 2.4: requests that touch but do not overlap are each their own. */`.  The part
of the page behind the line MARK is replaced.
"""

import re
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "user" / "tests"
MARK = "<!-- From here on made by `make docs`: change the comments of the cases. -->"
CASE = re.compile(r"^(?:/\*\s*([\d.]+): ((?:(?!\*/).)*?)\s*\*/\n)?TEST\((\w+)\)", re.M | re.S)


def statements():
    """(section, statement, program, case) of every case, in the order of the sections."""
    found = []
    for path in sorted(TESTS.glob("t_conform_*.c")):
        for section, text, case in CASE.findall(path.read_text()):
            if case == "nothing_is_left_behind":
                continue
            if not section:
                sys.exit(f"{path.name}: {case} does not say which statement it checks")
            found.append((section, re.sub(r"\s*\n \* ?", " ", text), path.stem, case))
    return sorted(found, key=lambda row: [int(part) for part in row[0].split(".")])


def main(page):
    text = Path(page).read_text().partition(MARK)[0]
    rows = statements()
    lines = [MARK, "", f"## The {len(rows)} cases", "", "| section | statement | case |", "|---|---|---|"]
    for section, statement, program, case in rows:
        lines.append(f"| {section} | {statement.replace('|', chr(92) + '|')} | `{program}` {case} |")
    Path(page).write_text(text + "\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
