"""Signals at the console: ^C, kill, jobs."""

import re

from quire.machine import EXIT_KILLED


def interrupt(machine, command, started):
    """Type a command, and ^C when it runs; the status that the shell tells."""
    machine.send(command + "\n")
    machine.wait_for(started)
    machine.send("\x03")
    output = machine.wait_for_prompt()
    assert "^C\n" in output
    return output


def koids(machine, name):
    return re.findall(rf"^ *(\d+) .* {name}$", machine.check("ps"), re.M)


def are_gone(machine, names):
    """Who was killed but not waited for ends a little later."""
    return any(not koids(machine, names) for _ in range(100))


def test_interrupt_ends_a_program(machine):
    assert "[exit 130]" in interrupt(machine, "echo started; sleep 10000", r"^started$")
    assert machine.check("echo still here") == "still here\n"
    assert are_gone(machine, "sleep")


def test_interrupt_ends_a_busy_program(machine):
    assert "[exit 130]" in interrupt(machine, "yes", r"^y$")


def test_interrupt_ends_a_pipeline(machine):
    assert "[exit 130]" in interrupt(machine, "echo started; yes | cat | wc", r"^started$")
    assert are_gone(machine, "(?:yes|cat|wc)")


def test_interrupt_reaches_what_a_program_started(machine):
    assert "[exit 130]" in interrupt(machine, "sh -c 'echo started; time sleep 10000; echo never'",
                                     r"^started$")
    assert are_gone(machine, "(?:sleep|time)")


def test_interrupt_ends_the_line(machine):
    output = interrupt(machine, "echo started; sleep 10000; echo never", r"^started$")
    assert not re.search(r"^never$", output, re.M)


def test_interrupt_spares_the_background(machine):
    machine.check("sleep 1000 &")
    interrupt(machine, "echo started; sleep 10000", r"^started$")
    assert len(koids(machine, "sleep")) == 1
    assert re.search(r"^%1 +\d+ +running +sleep$", machine.check("jobs"), re.M)
    assert machine.run("kill %1; wait").status == 128 + 15
    assert are_gone(machine, "sleep")


def test_interrupt_while_a_program_reads(machine):
    machine.send("echo started; cat\n")
    machine.wait_for(r"^started$")
    machine.send("one\n")
    machine.wait_for(r"^one\n(?:.*\n)*one$")
    machine.send("half\x03")
    assert "[exit 130]" in machine.wait_for_prompt()
    assert machine.check("echo clean") == "clean\n"


def test_interrupt_during_wait(machine):
    machine.check("sleep 1000 &")
    interrupt(machine, "echo started; wait", r"^started$")
    assert len(koids(machine, "sleep")) == 1
    assert machine.run("kill -9 %1; wait").status == EXIT_KILLED


def test_what_was_typed_behind_an_interrupt_is_kept(machine):
    machine.send("echo started; sleep 10000\n")
    machine.wait_for(r"^started$")
    machine.send("echo dropped\n\x03echo kept\n")
    machine.wait_for(r"^kept$")
    machine.wait_for_prompt()
    assert not re.search(r"^dropped$", machine.console, re.M)


def test_a_shell_in_the_shell_survives(machine):
    machine.send("sh\n")
    machine.wait_for_prompt()
    for _ in range(5):
        assert "[exit 130]" in interrupt(machine, "echo started; sleep 10000", r"^started$")
        assert machine.check("echo inner") == "inner\n"
    assert machine.run("exit 7").status == 7
    assert "[exit 130]" in interrupt(machine, "echo started; sleep 10000", r"^started$")


def test_kill_knows_names(machine):
    for name, number in (("TERM", 15), ("SIGUSR1", 10), ("2", 2)):
        machine.check("sleep 1000 &")
        assert machine.run(f"kill -{name} %1; wait").status == 128 + number
    assert "15 TERM" in machine.check("kill -l")
    assert machine.run("kill -NOTHING 5").status == 2
    assert machine.run("kill %5").status == 1


def test_a_heap_that_checkpoints_itself(machine):
    output = machine.check("selfpage")
    assert re.search(r"^round 5: 5000 stores, 200 faults, 200 of 256 pages written$", output, re.M)
    assert "the copy is the same" in output


def test_a_reader_that_ends_first_ends_the_pipeline(machine):
    result = machine.run("yes | head -1")
    assert (result.output, result.status) == ("y\n", 0)
    result = machine.run("yes | cat | cat | head -2")
    assert (result.output, result.status) == ("y\ny\n", 0)
    assert machine.check("yes | head -n 1 > /dev/null; echo $?") == "0\n"
    assert are_gone(machine, "(?:yes|cat|head)")


def test_interrupt_twice(machine):
    for _ in range(3):
        machine.send("echo started; yes | cat > /dev/null\n")
        machine.wait_for(r"^started$")
        machine.send("\x03\x03")
        assert "[exit 130]" in machine.wait_for_prompt()
    assert machine.check("echo clean") == "clean\n"
    assert are_gone(machine, "(?:yes|cat)")


def test_interrupt_of_a_program_that_ignores_it(machine):
    machine.send("tests/t_signal_ends ignore\n")
    machine.wait_for(r"^ignoring$")
    machine.send("\x03")
    machine.wait_for(r"^ignored 1$")
    machine.send("\x03")
    machine.wait_for(r"^ignored 2$")
    assert "[exit 130]" in machine.wait_for_prompt()
    assert machine.check("echo clean") == "clean\n"
