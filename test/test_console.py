"""The console as programs see it: ^C is a signal besides a byte."""


def test_control_c_is_a_signal_and_a_byte(machine):
    for typed in ("\x03", "abc\x03", "\x03\x03"):
        machine.send("tests/t_console interrupt\n")
        machine.wait_for(r"^type$")
        machine.send(typed)
        machine.wait_for(r"^seen$")
        machine.wait_for_prompt()
