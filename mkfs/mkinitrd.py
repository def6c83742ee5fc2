#!/usr/bin/env python3
"""Write a cpio archive in the `newc` format: the boot archive of Quire.

usage: mkinitrd.py OUTPUT FOLDER PATH...

Each PATH is a file below FOLDER and has the same name in the archive.  Folders are entered before
what is in them; times and owners are zero, so equal input gives an equal archive.
"""

import os
import sys
from pathlib import Path

FOLDER_MODE, FILE_MODE = 0o040755, 0o100755


def record(number, name, mode, content):
    """One member: a header of 8-digit hexadecimal fields, the name, the content, each padded to 4."""
    encoded = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return padded(header + encoded) + padded(content)


def padded(data):
    return data + bytes(-len(data) % 4)


def archive(members):
    """`members` maps names to contents, None for a folder."""
    parts = []
    for number, (name, content) in enumerate(sorted(members.items()), start=1):
        mode = FOLDER_MODE if content is None else FILE_MODE
        parts.append(record(number, name, mode, content or b""))
    parts.append(record(0, "TRAILER!!!", 0, b""))
    whole = b"".join(parts)
    return whole + bytes(-len(whole) % 512)


def main(output, folder, *paths):
    members = {}
    for path in paths:
        members[path] = (Path(folder) / path).read_bytes()
        for parent in list(Path(path).parents)[:-1]:
            members[str(parent)] = None
    temporary = Path(f"{output}.new")
    temporary.write_bytes(archive(members))
    os.replace(temporary, output)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
