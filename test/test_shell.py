"""The rescue shell: editing, quoting, statuses, typed-ahead input."""

import pytest

from quire.machine import EXIT_FAULT


@pytest.mark.parametrize("typed, printed", [
    ("echo hello", "hello\n"),
    ("echo  two   spaces", "two spaces\n"),
    ("echo 'single  quotes' \"double  quotes\"", "single  quotes double  quotes\n"),
    ("echo back\\ slash", "back slash\n"),
    ("echo one; echo two", "one\ntwo\n"),
    ("true; echo $?", "0\n"),
    ("", ""),
    ("   ", ""),
])
def test_command(machine, typed, printed):
    assert machine.check(typed) == printed


def test_status_of_the_last_command(machine):
    assert machine.run("false").status == 1
    machine.send("echo $?\n")
    assert machine.wait_for_prompt().endswith("1\n")


def test_unknown_command(machine):
    result = machine.run("no-such-program")
    assert result.status != 0
    assert "no-such-program" in result.output


def test_help_names_the_commands(machine):
    output = machine.check("help")
    for name in ("ps", "free", "memmap", "pagerstat", "poweroff"):
        assert name in output


@pytest.mark.parametrize("command, expected", [
    ("ps", "ext2fs"), ("free", ""), ("memmap -p", "K"), ("pagerstat", "ext2fs"), ("uname", "Quire"),
    ("date", "20"),
])
def test_listing(machine, command, expected):
    output = machine.check(command)
    assert output.strip() and expected in output


def test_backspace_and_line_kill(machine):
    assert machine.run("echo wrong\x15echo riht\x7f\x7fght").output.endswith("right\n")


def test_interrupt_key_drops_the_line(machine):
    machine.send("echo never\x03")
    machine.wait_for_prompt()
    assert machine.check("echo after") == "after\n"


def test_typed_ahead_input_is_kept(machine):
    """A long paste while a program runs: every line is a command, none is lost."""
    count = 40
    machine.send("sleep 1\n" + "".join(f"echo line-{number}-end\n" for number in range(count)))
    for number in range(count):
        machine.wait_for(rf"^line-{number}-end$")
    machine.wait_for_prompt()


def test_long_line(machine):
    words = " ".join(f"word{number}" for number in range(60))
    assert machine.check(f"echo {words}").strip() == words


def test_mandelbrot_draws(machine):
    output = machine.check("mandelbrot")
    assert len(output.splitlines()) > 20
    assert "pages" in output.splitlines()[-1]


@pytest.mark.parametrize("argument", ["/etc/motd", "/data/random.bin", "/data/empty", "/data"])
def test_not_a_program(machine, argument):
    assert machine.run(argument).status not in (0, EXIT_FAULT)
    assert machine.check("echo alive") == "alive\n"
