#!/usr/bin/env python3
"""The model of the page-request life cycle (test/model, docs/model.md), checked by spin.

    spin_model.py           every part: safety, errors planted, things that must happen; two parts for cycles
    spin_model.py --cycles  every part and case for cycles, which takes minutes
"""

import os
import pathlib
import re
import resource
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ROOT / "test" / "model"
FOLDER = ROOT / "build" / "model"

# What pan is built for.  -O0: the optimiser needs longer for it than the search.
SAFETY = ("-DSAFETY", "-DNOFAIR", "-DCOLLAPSE")
CYCLES = ("-DNP", "-DNOFAIR", "-DCOLLAPSE")


MODELS = {"page_request": ("READS", "WRITES", "EARLY", "CLOSING", "WRITEBACK", "CREATION"), "budget": ("BUDGET",)}
PARTS = {part: (model, number) for model, parts in MODELS.items() for number, part in enumerate(parts)}
CIRCLES = ("WRITES", "EARLY")           # where threads look again and again


def text():
    return "".join(path.read_text() for path in sorted(SOURCES.glob("*.pml")))


def planted():
    """The errors that can be planted: name to number, and the part that finds it."""
    listed = re.findall(r"^#define (\w+) +(\d+) +/\* in (\w+) \*/$", text(), re.M)
    return {name: (int(number), part) for name, number, part in listed}


def expected():
    """What has to happen in some run."""
    return set(re.findall(r'happens\("([^"]+)"\)', text()))


def build(model, name, flags, defines=()):
    """The checker of a model, a program."""
    folder = FOLDER / f"{model}-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    spin = ["spin", *(f"-D{define}" for define in defines), "-a", SOURCES / f"{model}.pml"]
    result = subprocess.run(spin, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode or "rror" in result.stdout:
        raise RuntimeError(f"spin: {result.stdout}{result.stderr}")
    subprocess.run(["gcc", "-O0", "-w", *flags, "-o", "pan", "pan.c"], cwd=folder, check=True)
    return folder / "pan"


def build_all(name, flags, defines=()):
    return {model: build(model, name, flags, defines) for model in MODELS}


class Search:
    """One part of a model, searched to the end, or until the checker has used `limit` seconds of a processor.

    Its processor time, not the time that passes: what else the host does must not decide.
    """

    def __init__(self, checkers, part, *options, plant=0, limit=3600):
        model, number = PARTS[part]
        checker = checkers[model]
        command = [checker, "-m1000000", "-w22", "-n", *options]
        environment = os.environ | {"PLANT": str(plant), "PART": str(number)}
        run = subprocess.run(command, cwd=checker.parent, env=environment, check=False,
                             capture_output=True, text=True, errors="replace",
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit)))
        self.output = f"{run.stdout}{run.stderr}\npan ended with status {run.returncode}"
        errors = re.search(r"errors: (\d+)", self.output)
        self.finished = errors is not None and "Search not completed" not in self.output \
            and "max search depth too small" not in self.output
        self.errors = int(errors.group(1)) if errors else None
        self.violation = "; ".join(re.findall(r"^pan:1: (.*)$", self.output, re.M))
        self.states = int(re.search(r"(\d+) states, stored", self.output).group(1)) if errors else 0
        self.seen = set(re.findall(r"^seen: (.*)$", self.output, re.M))


def main():
    checkers = build_all("safety", SAFETY)
    good, seen = True, set()
    for part in PARTS:
        search = Search(checkers, part)
        good = good and search.finished and search.errors == 0
        seen |= search.seen
        print(f"{part}: {search.states} states, {search.violation or 'no errors'}")
    for name in sorted(expected() - seen):
        print(f"never happens: {name}")
        good = False
    for name, (number, part) in planted().items():
        search = Search(checkers, part, plant=number)
        print(f"planted {name}: {search.violation or 'NOT FOUND'} after {search.states} states")
        good = good and bool(search.violation)
    every = "--cycles" in sys.argv
    checkers = build_all("cycles", CYCLES, () if every else ("ONE_CASE",))
    for part in PARTS if every else CIRCLES:
        search = Search(checkers, part, "-l")
        good = good and search.finished and search.errors == 0
        print(f"cycles of {part} ({'every' if every else 'one'} case): {search.states} states, {search.violation or 'none'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
