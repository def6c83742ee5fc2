"""The console as programs see it: ^C is a signal besides a byte."""

import pytest


@pytest.mark.parametrize("typed", ["\x03", "abc\x03", "\x03\x03"])
def test_control_c_is_a_signal_and_a_byte(boot, typed):
    """In the shell's place, which would take the signal for its jobs."""
    machine = boot(wait=False, append="-- run tests/t_console interrupt")
    machine.wait_for(r"^type$")
    machine.send(typed)
    machine.wait_for(r"^seen$")
    assert machine.wait_for_end() == 0


def test_a_signal_does_not_lose_a_half_typed_line(machine):
    machine.send("tests/t_console line\n")
    machine.wait_for("~~")
    for part in ("half", " a ", "liX"):
        machine.send(part)
        for _ in part:
            machine.wait_for("~")
    machine.send("\x7fne\n")                # what was typed before can be taken back
    machine.wait_for(r"^got half a line$")
    machine.wait_for_prompt()
