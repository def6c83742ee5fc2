#!/usr/bin/env python3
"""Write the manual of the system calls from kern/abi/*.def.    usage: manual.py OUTPUT"""

import sys
from itertools import groupby
from pathlib import Path

from abi import errors, rights, system_calls

INTRODUCTION = """\
# System calls

Made by `make docs` from `kern/abi/syscalls.def`, `errors.def` and `rights.def`: change those.

The number travels in `t0`, arguments in `a0` to `a7`, the result comes back in `a0`. Statuses are
listed in the order of the checks; any call that makes something can also return `ERR_NO_MEMORY`, any
call that makes a handle `ERR_NO_RESOURCES` (the handle table is full).
A number that is not here gives `ERR_BAD_SYSCALL`.
"""


def table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in lines) + "\n"


def describe(call):
    text = f"### sys_{call.name}\n\n```c\n{call.prototype()}    /* {call.number:#04x} */\n```\n\n"
    text += call.meaning
    needs = [f"`{name}`: {', '.join(rights)}" for (_, name), rights in zip(call.parameters, call.needs) if rights]
    text += f" Needs {'; '.join(needs)}.\n" if needs else "\n"
    if call.statuses:
        text += "\nStatuses: " + ", ".join(f"`ERR_{status}`" for status in call.statuses) + ".\n"
    return text


def main(output):
    parts = [INTRODUCTION]
    for group, calls in groupby(system_calls(), key=lambda call: call.group):
        parts.append(f"## {group}\n")
        parts.extend(describe(call) for call in calls)
    parts.append("## Statuses\n")
    parts.append(table(["name", "value", "meaning"],
                       [(f"`ERR_{name}`", value, text) for name, value, text in errors()]))
    parts.append("## Rights\n")
    parts.append(table(["name", "bit", "what it allows"],
                       [(f"`RIGHT_{name}`", bit, text) for name, bit, text in rights()]))
    Path(output).write_text("\n".join(parts))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
