"""The shell: words, pipelines, lists, redirection, editing, statuses, typed-ahead input."""

import pytest

from quire.machine import EXIT_FAULT, EXIT_KILLED


@pytest.mark.parametrize("typed, printed", [
    # words
    ("echo hello", "hello\n"),
    ("echo  two   spaces", "two spaces\n"),
    ("echo 'single  quotes' \"double  quotes\"", "single  quotes double  quotes\n"),
    ("echo back\\ slash", "back slash\n"),
    ("echo a'b'\"c\"d ''", "abcd \n"),
    ("echo 'a;b|c&d>e' # and a comment; echo no", "a;b|c&d>e\n"),
    ("echo a#b \\#c", "a#b #c\n"),
    ("echo \"in \\\"quotes\\\" \\$HOME\" '\\n'", 'in "quotes" $HOME \\n\n'),
    ("", ""),
    ("   ", ""),
    ("# nothing", ""),
    # variables
    ("X=5; echo $X ${X}th '$X' \"<$X>\" $Xy.", "5 5th $X <5> .\n"),
    ("X='a  b'; echo $X \"$X\"", "a b a  b\n"),
    ("X= ; echo \"<$X>\" $X .", "<> .\n"),
    ("Y=one Z=two; echo $Y$Z", "onetwo\n"),
    ("Y=1; Y=2 env | grep ^Y=; echo $Y", "Y=2\n1\n"),
    ("export V=w; env | grep ^V=; unset V; echo \"<$V>\"", "V=w\n<>\n"),
    ("X=c; X=$X$X; echo $X; e${X}ho 2> /dev/null || echo no", "cc\nno\n"),
    ("echo $ a$ \"$\"", "$ a$ $\n"),
    ("C=echo; $C run by a variable", "run by a variable\n"),
    # statuses and lists
    ("echo one; echo two", "one\ntwo\n"),
    ("echo one;echo two;", "one\ntwo\n"),
    ("true; echo $?", "0\n"),
    ("false; echo $?", "1\n"),
    ("sh -c 'exit 7'; echo $?", "7\n"),
    ("true && echo yes", "yes\n"),
    ("false && echo no; echo end", "end\n"),
    ("false || echo yes", "yes\n"),
    ("true || echo no; echo end", "end\n"),
    ("false && echo no || echo yes && echo also", "yes\nalso\n"),
    ("true || echo no && echo yes", "yes\n"),
    ("! false && echo not", "not\n"),
    ("! true || echo not", "not\n"),
    # pipelines
    ("echo through | cat", "through\n"),
    ("seq 100 | tail -n 3 | head -n 1", "98\n"),
    ("seq 5|wc -l", "5\n"),
    ("false | true; echo $?", "0\n"),
    ("true | false; echo $?", "1\n"),
    ("yes | head -n 2", "y\ny\n"),
    ("echo lost | true; echo end", "end\n"),
    ("help | grep -c '^cd '", "1\n"),
    ("cd /etc | cat; pwd", "/\n"),
    ("seq 20000 | wc -c", "108894\n"),
    ("echo a | cat - /etc/motd | head -n 1", "a\n"),
    ("seq 3 | sh -c 'cat; cat; echo done'", "1\n2\n3\ndone\n"),
    # redirection
    ("wc -l < /etc/motd", "2\n"),
    ("< /etc/motd head -n 1 | wc -w", "11\n"),
    ("head -n 1 < /data/many/file-007", "7\n"),
    ("echo gone > /dev/null; echo here", "here\n"),
    ("cat /none 2>/dev/null || echo failed", "failed\n"),
    ("cat /none 2>&1 | grep -c 'No such file'", "1\n"),
    ("cat /none 2>&1 > /dev/null | wc -l", "1\n"),
    ("cat /none > /dev/null 2>&1 || echo quiet", "quiet\n"),
    ("echo to the error 1>&2", "to the error\n"),
    ("help > /dev/null; echo still here", "still here\n"),
    ("cat < /dev/null | wc -c", "0\n"),
    # patterns
    ("echo /data/many/file-00[1-3]", " ".join(f"/data/many/file-00{n}" for n in (1, 2, 3)) + "\n"),
    ("echo /data/many/*-19? | wc -w", "10\n"),
    ("echo /e*/m*d", "/etc/motd\n"),
    ("echo '/e*/m*d' /e\\* /none*", "/e*/m*d /e* /none*\n"),
    ("P='/et*'; echo $P \"$P\"", "/etc /et*\n"),
    ("cd /data/deep; echo *; cd /", "er\n"),
    # directories
    ("cd /data; pwd; cd deep/er; pwd; cd ../..; pwd; cd /", "/data\n/data/deep/er\n/data\n"),
    ("cd /data; cat ../etc/motd | wc -l; sh -c pwd; cd; pwd", "2\n/data\n/\n"),
    ("cd /data; echo $PWD; cd /", "/data\n"),
    ("cd /data/many; sh -c 'cat file-001; cd ..; pwd'; pwd; cd /", "1\n/data\n/data/many\n"),
    # conditions
    ("[ 2 -lt 10 ] && echo less", "less\n"),
    ("[ b = b ] && [ -f /etc/motd ] && [ ! -d /etc/motd ] && echo file", "file\n"),
    ("test -n '' || echo empty", "empty\n"),
    # shells in shells
    ("sh -c 'echo $0 $1 $#' name one two", "name one 2\n"),
    ("echo 'echo from input; exit 3' | sh; echo $?", "from input\n3\n"),
    ("sh -c 'false; echo $?; X=1; echo $X'", "1\n1\n"),
    # in the background
    ("sh -c 'seq 2 & wait'", "1\n2\n"),
    ("sh -c 'sleep 2 && echo second & echo first; wait'", "first\nsecond\n"),
    ("sh -c 'cat & wait'; echo no input", "no input\n"),
    ("sh -c 'false & wait; echo $?'", "1\n"),
])
def test_command(machine, typed, printed):
    assert machine.check(typed) == printed


@pytest.mark.parametrize("typed, status, message", [
    ("echo 'open", 2, "quote"),
    ('echo "open', 2, "quote"),
    ("| cat", 2, "unexpected |"),
    ("echo a |", 2, "unexpected end"),
    ("echo a | | cat", 2, "unexpected |"),
    ("true &&", 2, "unexpected end"),
    ("&& true", 2, "unexpected &&"),
    ("; echo a", 2, "unexpected ;"),
    ("echo no; echo a ;; echo b", 2, "unexpected ;"),
    ("cat <", 2, "unexpected end"),
    ("cat < | wc", 2, "unexpected |"),
    ("cat < /none", 1, "sh: /none: No such file"),
    ("cat < /data", 1, "sh: /data: Is a directory"),
    ("echo a > /new", 1, "sh: /new: Read-only file system"),
    ("echo a >> /etc/motd", 1, "sh: /etc/motd: Read-only file system"),
    ("echo a 7> /dev/null", 1, "descriptor 7"),
    ("cat < /data/many/*", 1, "cannot redirect"),
    ("no-such-program", 127, "sh: no-such-program: no such program"),
    ("/etc/motd", 126, "not a program"),
    ("/data", 126, "not a file"),
    ("''", 127, "no such program"),
    ("cd /none", 1, "sh: cd: /none: No such file"),
    ("cd /etc/motd", 1, "Not a directory"),
    ("[ 1 = 1", 2, "[ needs ]"),
    ("[ x -lt 3 ]", 2, "not a number"),
    ("wait 99999", 127, ""),
    ("wait 0", 127, ""),
    ("false || false", 1, ""),
    ("seq 3 | no-such-program", 127, "no such program"),
])
def test_refusals(machine, typed, status, message):
    result = machine.run(typed)
    assert result.status == status and message in result.output, result
    assert "no\n" not in result.output.splitlines(keepends=True), "nothing of a malformed line runs"


def test_deaths(machine):
    """A fault and a kill have statuses of their own, as in other shells."""
    assert machine.run("sh -c 'kill 0'").status == 1
    machine.send("sleep 100 &\n")
    koid = machine.wait_for(r"^\[(\d+)\] sleep$")[1]
    machine.wait_for_prompt()
    result = machine.run(f"kill {koid}; wait {koid}")
    assert result.status == 128 + 15
    machine.check("sleep 100 &")
    assert machine.run("kill -9 %1; wait").status == EXIT_KILLED
    assert machine.check("true; sh -c 'tests/t_posix_spawn crash'; echo $?").endswith("139\n")


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


UP, DOWN, RIGHT, LEFT, HOME, END, DELETE = (
    "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[3~")
CONTROL = {letter: chr(ord(letter) - 64) for letter in "ABCDEFKLNPUW"}


@pytest.mark.parametrize("keys, printed", [
    ("echo wrong" + CONTROL["U"] + "echo riht\x7f\x7fght", "right"),
    ("echo ac" + LEFT + "b", "abc"),
    ("echo bc" + LEFT * 2 + "a" + RIGHT * 2 + "d", "abcd"),
    ("cho ab" + CONTROL["A"] + "e" + CONTROL["E"] + "c", "abc"),
    ("cho ab" + HOME + "e" + END + "c", "abc"),
    ("echo abxx" + LEFT * 2 + CONTROL["K"] + "c", "abc"),
    ("echo one two" + CONTROL["W"] + "three", "one three"),
    ("echo one two  " + CONTROL["W"] + CONTROL["W"] + "x", "x"),
    ("echo axb" + LEFT + "\x7f", "ab"),
    ("echo axb" + LEFT * 2 + DELETE, "ab"),
    ("echo axb" + CONTROL["B"] * 2 + CONTROL["D"] + CONTROL["F"] + "c", "abc"),
    ("xecho a" + CONTROL["A"] + CONTROL["D"], "a"),
    ("junk" + LEFT * 20 + CONTROL["K"] + "echo a" + RIGHT * 20, "a"),
    ("echo a\x1b[5~\x1b[1;5Cb\x1bOH\x1bOFc", "abc"),
    ("\x7f\x7fecho a", "a"),
])
def test_editing(machine, keys, printed):
    assert machine.check(keys).splitlines()[-1] == printed


def test_clearing_the_screen(machine):
    machine.send("echo a b" + CONTROL["L"])
    machine.wait_for(r"\x1b\[H\x1b\[2Jquire\$ echo a b")
    machine.send("c\n")
    assert machine.wait_for_prompt().endswith("a bc\n")


def test_history(machine):
    machine.check("echo first")
    machine.check("echo second")
    assert machine.check(UP) == "second\n"
    assert machine.check(UP + UP) == "first\n"              # the same line is not kept twice
    assert machine.check(CONTROL["P"] + LEFT * 2 + "\x7f\x7fb") == "fbst\n"
    assert machine.check("echo typed" + UP + UP + DOWN + DOWN) == "typed\n"
    assert machine.check(UP * 3 + CONTROL["N"] + " more").endswith("more\n")


@pytest.mark.parametrize("keys, printed", [
    ("cat /et\tmo\t", None),
    ("ec\t completed", "completed"),
    ("ls /da\tde\t", "er"),
    ("echo /data/one-p\t.", "/data/one-page.bin ."),
])
def test_completion(machine, keys, printed):
    output = machine.check(keys)
    assert output.splitlines()[-1] == printed if printed else "Quire" in output


def test_completion_lists_a_choice(machine):
    machine.send("echo /data/link\t\t")
    machine.wait_for(r"link-to-folder +link-to-motd *\n")
    machine.wait_for(r"quire\$ echo /data/link-to-\Z")
    machine.send("m\t\n")
    assert machine.wait_for_prompt().endswith("/data/link-to-motd\n")


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
