"""Cases of the test programs in user/tests: found in the source, run in a guest, read from its output."""

import re
from dataclasses import dataclass
from pathlib import Path

from .machine import Machine, ROOT

SOURCES = ROOT / "user" / "tests"
PLAN = re.compile(r"^1\.\.(\d+)$", re.M)
OUTCOME = re.compile(r"^(not )?ok (\d+) - (\S+)(?: # (.*))?$", re.M)


@dataclass
class Outcome:
    passed: bool
    remark: str


def programs():
    """Name and source text of every test program."""
    return {path.stem: path.read_text() for path in sorted(SOURCES.glob("*.c"))}


def cases(source):
    return re.findall(r"^TEST\((\w+)\)", source, re.M)


def machine_parameters(source):
    """What a comment like `Machine: cpus=4 memory=256M` asks for; disk=none is without, swap=disk with swap partitions."""
    match = re.search(r"\bMachine:((?:[ \t]+\w+=\S+)+)", source)
    words = dict(word.split("=", 1) for word in match[1].split()) if match else {}
    if words.get("disk") == "none":
        words["disk"] = None
    if "swap" in words:
        words["swap"] = words["swap"] == "disk"
    return words


class ProgramRun:
    """A test program, run once in a machine of its own."""

    def __init__(self, name, source):
        self.outcomes, self.problem, self.log = {}, "", ""
        machine = None
        try:
            machine = Machine(f"tests/{name}", **machine_parameters(source))
            machine.wait_for_prompt()
            result = machine.run(f"tests/{name}")
            failures = sum(1 for match in OUTCOME.finditer(result.output) if match[1])
            if not PLAN.search(result.output):
                self.problem = "it printed no plan"
            elif result.status != (1 if failures else 0):
                self.problem = f"it ended with status {result.status}"
        except AssertionError as error:
            self.problem = str(error)
        finally:
            if machine:
                self.log = machine.console
                machine.close()
        for match in OUTCOME.finditer(self.log):
            self.outcomes[match[3]] = Outcome(not match[1], match[4] or "")

    def tail(self, lines=40):
        return "\n".join(self.log.splitlines()[-lines:])
