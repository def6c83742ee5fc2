#!/usr/bin/env python3
"""The model of the page-request life cycle (test/model, docs/model.md), checked by spin.

    spin_model.py           every case: safety, errors planted, things that must happen
    spin_model.py --cycles  also every case for cycles, which takes minutes
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ROOT / "test" / "model"
FOLDER = ROOT / "build" / "model"

# What pan is built for.  -O0: the optimiser needs longer for it than the search.
SAFETY = ("-DSAFETY", "-DNOFAIR", "-DCOLLAPSE")
CYCLES = ("-DNP", "-DNOFAIR", "-DCOLLAPSE")


def text():
    return "".join(path.read_text() for path in sorted(SOURCES.glob("*.pml")))


def planted():
    """The errors that can be planted: name to number."""
    listed = text().partition("/* Errors that spin_model.py plants")[2].partition("byte planted")[0]
    return {name: int(number) for name, number in re.findall(r"^#define (\w+) +(\d+)$", listed, re.M)}


def expected():
    """What has to happen in some run."""
    return set(re.findall(r'happens\("([^"]+)"\)', text()))


def build(name, flags, defines=()):
    """The checker `name`, a program."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    spin = ["spin", *(f"-D{define}" for define in defines), "-a", SOURCES / "page_request.pml"]
    result = subprocess.run(spin, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode or "rror" in result.stdout:
        raise RuntimeError(f"spin: {result.stdout}{result.stderr}")
    subprocess.run(["gcc", "-O0", "-w", *flags, "-o", "pan", "pan.c"], cwd=folder, check=True)
    return folder / "pan"


class Search:
    """One run of a checker to its end."""

    def __init__(self, checker, *options, plant=0, limit=600):
        command = [checker, "-m1000000", "-w22", "-n", *options]
        run = subprocess.run(command, cwd=checker.parent, env=os.environ | {"PLANT": str(plant)}, timeout=limit,
                             capture_output=True, text=True, errors="replace", check=False)
        self.output = run.stdout + run.stderr
        errors = re.search(r"errors: (\d+)", self.output)
        self.finished = errors is not None and "Search not completed" not in self.output \
            and "max search depth too small" not in self.output
        self.errors = int(errors.group(1)) if errors else None
        self.violation = "; ".join(re.findall(r"^pan:1: (.*)$", self.output, re.M))
        self.states = int(re.search(r"(\d+) states, stored", self.output).group(1)) if errors else 0
        self.seen = set(re.findall(r"^seen: (.*)$", self.output, re.M))


def main():
    checker = build("safety", SAFETY)
    search = Search(checker)
    good = search.finished and search.errors == 0
    print(f"safety: {search.states} states, {search.violation or 'no errors'}")
    for name in sorted(expected() - search.seen):
        print(f"never happens: {name}")
        good = False
    for name, number in planted().items():
        search = Search(checker, plant=number)
        print(f"planted {name}: {search.violation or 'NOT FOUND'} after {search.states} states")
        good = good and bool(search.violation)
    every = "--cycles" in sys.argv
    search = Search(build("cycles", CYCLES, () if every else ("ONE_CASE",)), "-l")
    good = good and search.finished and search.errors == 0
    print(f"cycles ({'every' if every else 'one'} case): {search.states} states, {search.violation or 'none'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
