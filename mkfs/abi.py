"""Read kern/abi/*.def: the lists of system calls, errors and rights."""

import re
from dataclasses import dataclass, field
from pathlib import Path

ABI = Path(__file__).resolve().parent.parent / "kern" / "abi"


@dataclass
class Call:
    number: int
    result: str
    name: str
    meaning: str
    statuses: list
    parameters: list = field(default_factory=list)      # (type, name)
    needs: list = field(default_factory=list)           # rights of its handles, in their order
    group: str = ""

    def prototype(self):
        parameters = ", ".join(declare(kind, name) for kind, name in self.parameters) or "void"
        return f"{self.result} sys_{self.name}({parameters});"


def declare(kind, name):
    """One parameter as user code sees it: OUT(T) and IN(T) are pointers, OBJECT(T) is a handle."""
    kind = re.sub(r"^OBJECT\(.*\)$", "handle_t", kind)
    pointer = re.fullmatch(r"(IN|OUT)\((.*)\)", kind)
    if not pointer:
        return f"{kind} {name}"
    return f"{'const ' if pointer[1] == 'IN' else ''}{pointer[2]} *{name}"


def split_arguments(text):
    """Split at the commas that are in no string and no parentheses."""
    parts, depth, quoted, current = [], 0, False, ""
    for character in text:
        if character == '"':
            quoted = not quoted
        depth += 0 if quoted else (character == "(") - (character == ")")
        if character == "," and not quoted and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += character
    return parts + [current.strip()]


def entries(text, macro):
    """(position, arguments) of every `macro(...)` that begins a line; `macro` is a pattern."""
    for match in re.finditer(rf"^{macro}\(", text, re.M):
        end, depth, quoted = match.end(), 1, False
        while depth:
            if text[end] == '"':
                quoted = not quoted
            depth += 0 if quoted else (text[end] == "(") - (text[end] == ")")
            end += 1
        yield match.start(), split_arguments(text[match.end():end - 1])


def system_calls():
    text = (ABI / "syscalls.def").read_text()
    headings = [(m.start(), m[1]) for m in re.finditer(r"^/\* (.*)\. \*/$", text, re.M)]
    calls = []
    for position, arguments in entries(text, "SYSCALL(?:_ON|_HELD)?"):
        handles = ""
        if arguments[2].startswith("FIRST("):           # SYSCALL_ON and _HELD
            handles = arguments[2]
            arguments[1:3] = ["status_t", arguments[1]]
        number, result, name, meaning, statuses, count, *rest = arguments
        call = Call(int(number, 0), result, name, meaning.strip('"'), statuses.strip('"').split())
        call.parameters = list(zip(rest[0::2], rest[1::2]))
        call.needs = [re.findall(r"RIGHT_(?!NONE)(\w+)", wanted) for wanted in handles.split("SECOND")]
        call.group = next((title for at, title in reversed(headings) if at < position), "")
        if len(rest) != 2 * int(count):
            raise ValueError(f"syscalls.def: {name} says {count} arguments and has {len(rest) / 2}")
        calls.append(call)
    return calls


def errors():
    """(name, value, meaning) of every status code."""
    return [(name, int(value), meaning.strip('"'))
            for _, (name, value, meaning) in entries((ABI / "errors.def").read_text(), "ERROR")]


def rights():
    """(name, bit, meaning) of every handle right."""
    return [(name, int(bit), meaning.strip('"'))
            for _, (name, bit, meaning) in entries((ABI / "rights.def").read_text(), "RIGHT")]
