#!/usr/bin/env python3
"""Write the table of features of paging, with the tests of each row.    usage: feature_rows.py PAGE

The rows are in test/feature_rows.txt.  A test belongs to a row by its name: a case `row_08_...` of user/tests, a function
`test_row_08_...` of test.  Rows that have none are in the table of docs/default-pager.md, each with the reason.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REASONS = ROOT / "docs" / "default-pager.md"
INTRODUCTION = """\
# The feature table, and the test of each row

Made by `make docs` from `test/feature_rows.txt` and the names of the tests: change those.

What a default pager and its surroundings have had in other systems, as a list of what can be observed. Run the cases of one row
with `pytest test -k row_08`. Rows without a test are explained in [default-pager.md](default-pager.md). Rows 100 to 130, about file servers
and their ports, and those about copy on write have suites of their own ([pager-conformance.md](pager-conformance.md)).
"""


def parts():
    """(title, {row: what is wanted}) of each part."""
    found = []
    for line in (ROOT / "test" / "feature_rows.txt").read_text().splitlines():
        if line.startswith("## "):
            found.append((line[3:], {}))
        elif line and not line.startswith("#"):
            number, text = line.split(None, 1)
            found[-1][1][int(number)] = text
    return found


def rows():
    return {number: text for _, part in parts() for number, text in part.items()}


def tests():
    """Row to the names of its tests."""
    found = {}
    for folder, pattern, case in (("user/tests", "t_*.c", r"^TEST\((row_(\d+)\w*)\)"),
                                  ("test", "test_*.py", r"^def (test_row_(\d+)\w*)\(")):
        for path in sorted((ROOT / folder).glob(pattern)):
            for name, number in re.findall(case, path.read_text(), re.M):
                found.setdefault(int(number), []).append(f"`{path.stem}` {name}")
    return found


def reasons():
    """Row to why it has no test: the lines `| row 5 | ... |` of the page."""
    return {int(number): text for number, text in
            re.findall(r"^\| row (\d+) \| (.+) \|$", REASONS.read_text(), re.M)}


def page():
    lines, found, why = [INTRODUCTION], tests(), reasons()
    for title, part in parts():
        lines += [f"## {title}\n", "| row | wanted | test |", "|---|---|---|"]
        for number, text in part.items():
            names = "<br>".join(found.get(number, [])) or f"*none*: {why.get(number, '')}"
            lines.append(f"| {number} | {text} | {names} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    Path(sys.argv[1]).write_text(page())
