#!/usr/bin/env python3
"""Turn the output of `make -nB` into compile_commands.json for clangd.    usage: compile_commands.py OUTPUT"""

import json
import os
import shlex
import sys


def main(output):
    commands = []
    for line in sys.stdin:
        words = shlex.split(line) if " -c -o " in line else []
        if words:
            commands.append({"directory": os.getcwd(), "file": words[-1], "arguments": words})
    with open(output, "w", encoding="utf-8") as stream:
        json.dump(commands, stream, indent=1)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
