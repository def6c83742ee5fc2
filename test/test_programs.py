"""The programs of user/bin: the same commands here and on the host, where the host has them."""

import re
import subprocess

import pytest

import mkdisk
from quire.machine import EXIT_FAULT, EXIT_KILLED


@pytest.fixture(scope="module")
def host_folder(tmp_path_factory):
    """A folder like /data on the disk, as far as the commands below look."""
    folder = tmp_path_factory.mktemp("data")
    for name, content in {"book.txt": mkdisk.book(), "motd": mkdisk.MOTD,
                          "odd.bin": mkdisk.random_bytes("odd.bin", 12_345), "empty-file": "",
                          "one-line": "no newline at the end"}.items():
        mkdisk.write(folder / name, content)
    return folder


# `book` and so on stand for the files; the same text runs in the host's shell.
SAME = [
    "cat motd", "cat motd empty motd", "cat < motd", "echo x | cat motd - motd", "cat book | cksum",
    "cat odd | cksum", "echo -n a b", "echo", "echo -n", "echo - -n",
    "head motd", "head -n 1 motd", "head -n 0 motd", "head -n 5 book", "head -n 99999 book | cksum",
    "head -c 7 motd", "head -c 100000 book | cksum", "head -n 1 motd book", "cat book | head -n 3",
    "head empty", "head -n 2 motd | head -n 1",
    "tail motd", "tail -n 1 motd", "tail -n 0 motd", "tail -n 3 book", "tail -n 1000 book | cksum",
    "tail -n 99999 book | cksum", "cat book | tail -n 30", "tail empty", "tail -n 1 motd book",
    "cat line line | tail -n 1", "tail -n 1 line", "tail -n 2 line",
    "grep page motd", "grep -n promise motd", "grep -c page book", "grep -v page book | cksum",
    "grep -n '^The' book | tail -n 3", "grep -c 'client$' book", "grep '^$' book | wc -l",
    "grep -c 'a[cp]*a' book", "grep -c 'k[^e]r' book", "grep -c '[A-F]' book", "grep -i -c KERNEL book",
    "grep -c 'p.*e.*t' book", "grep -F -c '.' book", "grep -F -c '^The' book", "grep -c '\\.' book",
    "grep -c 'a*' book", "grep -c 'x*y' book", "grep -v -c a book", "grep -n -i 'WELCOME' motd",
    "grep page motd book | head -n 4", "grep -c page motd book", "grep nothing-like-it book",
    "grep -q page motd", "grep -q nothing-like-it motd", "cat book | grep -c the", "grep -c '[]x]' book",
    "grep -c '[^a-z .]' book", "grep -c 'le$' book", "grep -c '^A.*d$' book", "grep newline line",
    "cksum motd", "cksum motd odd empty book", "cksum < odd", "cat book | cksum",
    "seq 5", "seq 3 6", "seq 10 -3 1", "seq 2 2 9", "seq 5 4", "seq -2 1",
    "true", "false", "test 1 -eq 1", "test a = b", "test a != b", "test -n ''", "test -z ''", "test x",
    "test ''", "test", "test ! -f motd", "test -f motd", "test -d motd", "test -d .", "test -e none",
    "test -s empty", "test -s motd", "test 3 -gt 2 -a 2 -ge 2", "test 1 -lt 0 -o 2 -le 2",
    "test '(' 1 = 1 ')'", "test ! 1 = 1", "[ 5 -ne 5 ]", "[ abc ]",
    "yes | head -n 1000 | cksum", "yes no | head -n 2",
    "cat none", "head none", "tail none motd", "cksum none motd", "grep x none",
]
FILES = {"book": ("/usr/share/book.txt", "book.txt"), "motd": ("/etc/motd", "motd"),
         "odd": ("/data/odd.bin", "odd.bin"), "empty": ("/data/empty", "empty-file"),
         "line": ("/data/one-line", "one-line"), "none": ("/none", "none")}


def spelled(command, side, prefix=""):
    """The command with the file names of one side; only whole words are names."""
    return re.sub(r"(?<![\w'-])(" + "|".join(FILES) + r")(?![\w'-])",
                  lambda match: prefix + FILES[match[1]][side], command)


@pytest.mark.parametrize("command", SAME)
def test_same_as_the_hosts(machine, host_folder, command):
    host = subprocess.run(["sh", "-c", spelled(command, 1)], cwd=host_folder, text=True, check=False,
                          env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    result = machine.run(spelled(command, 0) + " 2> /dev/null")
    expected = host.stdout
    for guest, ours in FILES.values():              # names are part of some outputs
        expected = re.sub(rf"(?<![\w/]){re.escape(ours)}(?=$|[ :])", guest, expected, flags=re.M)
    assert result.output.rstrip("\n") == expected.rstrip("\n")
    assert result.status == host.returncode


@pytest.mark.parametrize("command", ["wc book", "wc -l book", "wc -w book", "wc -c book", "wc motd book empty",
                                     "wc < book", "cat book | wc -l"])
def test_wc(machine, host_folder, command):
    """The numbers are the host's; blanks before them are not."""
    host = subprocess.run(["sh", "-c", spelled(command, 1)], cwd=host_folder, text=True, check=True,
                          env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE)
    numbers = [re.findall(r"\d+(?=\s|$)", line) for line in host.stdout.splitlines()]
    output = machine.check(spelled(command, 0))
    assert [re.findall(r"\d+(?=\s|$)", line) for line in output.splitlines()] == numbers


def hexdump(data, first=0):
    lines = []
    for at in range(0, len(data), 16):
        row = data[at:at + 16]
        digits = [f"{byte:02x}" for byte in row] + ["  "] * (16 - len(row))
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{first + at:08x}  {' '.join(digits[:8])}  {' '.join(digits[8:])}  |{text}|")
    return "\n".join(lines + [f"{first + len(data):08x}"]) + "\n"


def test_hexdump(machine):
    odd = mkdisk.random_bytes("odd.bin", 12_345)
    assert machine.check("hexdump /data/odd.bin") == hexdump(odd)
    assert machine.check("hexdump -s 0x100 -n 33 /data/odd.bin") == hexdump(odd[256:289], 256)
    assert machine.check("seq 3 | hexdump") == hexdump(b"1\n2\n3\n")
    assert machine.check("hexdump -s 12340 /data/odd.bin") == hexdump(odd[12340:], 12340)


# --- ls. ---

def test_ls_sorts(machine):
    assert machine.check("ls /data/many").split() == [f"file-{number:03}" for number in range(200)]
    assert machine.check("cd /data/deep; ls; cd /") == "er\n"
    assert machine.check("ls -a /data/deep") == ".\n..\ner\n"
    names = machine.check("ls /data/names").splitlines()
    assert names == [mkdisk.LONG_NAME, "with blanks and 'quotes'"]
    assert "." + mkdisk.LONG_NAME[1:] in machine.check("ls -a /data/names").splitlines()


def test_ls_long(machine):
    lines = machine.check("ls -l /data").splitlines()
    rows = {line.split()[5]: line for line in lines}
    assert re.fullmatch(r"-rw-r--r-- +2 +12345 2020-09-13 12:26 odd.bin", rows["odd.bin"])
    assert re.fullmatch(r"drwxr-xr-x +3 +\d+ .* deep", rows["deep"])
    assert rows["link-to-motd"].startswith("l") and rows["link-to-motd"].endswith(" -> ../etc/motd")
    assert rows["far.bin"].split()[2] == str(mkdisk.FAR + 9)
    assert machine.check("ls -l /data/odd.bin").split()[-1] == "/data/odd.bin"


def test_ls_recursive(machine):
    assert machine.check("ls -R /data/deep") == (
        "/data/deep:\ner\n\n/data/deep/er:\nand\n\n/data/deep/er/and:\ndeeper\n\n"
        "/data/deep/er/and/deeper:\nstill.txt\n")
    assert machine.check("ls /data/link-to-folder") == "deeper\n"


def test_ls_of_what_is_not_there(machine):
    result = machine.run("ls /none /data/deep")
    assert result.status == 1
    assert "ls: /none: No such file or directory" in result.output and "er\n" in result.output
    assert machine.run("ls /data/broken-link").status == 0      # the link itself is there


# --- The system. ---

def test_messages_name_program_and_file(machine):
    assert machine.run("cat /x").output == "cat: /x: No such file or directory\n"
    assert machine.run("cat /data").output == "cat: /data: Is a directory\n"
    assert machine.run("/bin/head /etc/motd/x").output == "head: /etc/motd/x: Not a directory\n"


@pytest.mark.parametrize("command", [
    "head -n x /etc/motd", "tail -z", "wc -q", "grep", "grep '[a'", "kill", "kill x", "sleep", "sleep x",
    "seq", "seq a", "hexdump -s x", "cksum -z", "time", "ls -Q", "kill 999999999",
    "pmap", "pmap -x", "pmap 999999999", "pmap no-such-program", "vmstat x", "vmstat 0", "vmstat 1 0",
    "vmstat 1 2 3", "free -x", "free 1", "top -x", "top 1", "top -n 0", "top -b -d x", "ps -x", "ps 1",
    "memmap -x",
])
def test_wrong_use(machine, command):
    result = machine.run(command)
    assert result.status in (1, 2) and result.output


def test_environment(machine):
    assert "PATH=/bin\n" in machine.check("env")
    assert machine.check("env A=1 B=2 env | grep '^[AB]='") == "A=1\nB=2\n"
    assert machine.check("cd /etc; env | grep PWD; pwd; cd /") == "PWD=/etc\n/etc\n"


def test_time(machine):
    output = machine.check("time sleep 0.1")
    seconds = float(re.fullmatch(r"(\d+\.\d+) s\n", output)[1])
    assert 0.1 <= seconds < 60
    assert machine.run("time false").status == 1
    assert machine.run("time none").status == 127


def test_mount_and_df(machine):
    assert machine.check("mount") == "root on / type ext2 (read-only, blocks of 4096)\n"
    head, row = machine.check("df").splitlines()
    system, kib, used, free, *_, where = row.split()
    assert (system, kib, where) == ("ext2", "65536", "/") and int(used) + int(free) == int(kib)
    assert head.split()[1] == "KiB"


def test_ps_and_kill(machine):
    machine.check("sleep 1000 &")
    koid = re.search(r"^ *(\d+) .* sleep$", machine.check("ps"), re.M)[1]
    assert machine.check(f"kill -0 {koid}") == ""
    assert machine.run(f"kill -KILL {koid}; wait {koid}").status == EXIT_KILLED
    assert comes_true(lambda: not re.search(r" sleep$", machine.check("ps"), re.M))
    assert "No such process" in machine.run(f"kill {koid}").output


def comes_true(condition):
    """What a machine shows of its load is so at last: a slow host may have taken a hart away while it was measured."""
    return any(condition() for _ in range(30))


def numbers(line):
    return [float(word) for word in line.split() if re.fullmatch(r"[\d.]+", word)]


def test_free_adds_up(machine):
    head, memory, swap, empty, *kinds = machine.check("free").splitlines()
    assert head.split() == ["KiB", "total", "used", "free", "cached"] and empty == ""
    total, used, free, cached = numbers(memory)
    assert total == used + free + cached and free > 4000
    total_swap, used_swap, free_swap = numbers(swap)
    assert swap.startswith("swap ") and total_swap == used_swap + free_swap
    assert sum(numbers(line)[0] for line in kinds[1:]) == total
    assert sum(numbers(line)[1] for line in kinds[1:]) == total / 4
    assert 99 < sum(numbers(line)[2] for line in kinds[1:]) < 101


def test_free_in_few_digits_and_with_counters(machine):
    output = machine.check("free -hc")
    assert re.search(r"^memory +128M +[\d.]+M +\d+M +[\d.]+[KM]$", output, re.M)
    assert re.search(r"^in flight +0B +0 +0\.0$", output, re.M)
    assert re.search(r"^up [\d.]+ s, \d harts, idle [\d.]+ s$", output, re.M)


def test_vmstat(machine):
    _, names, line = machine.check("vmstat").splitlines()
    assert len(numbers(line)) == len(names.split()) == 15
    free = numbers(line)[0]
    assert free > 4000

    *_, first, second, _ = machine.check("vmstat 0.2 3").splitlines()
    since_boot = numbers(first)
    assert since_boot[6] > 50 and since_boot[9] > 300           # faults, calls
    assert len(numbers(second)) == 15

    def is_quiet():
        quiet = numbers(machine.check("vmstat 0.2 3").splitlines()[-1])
        return quiet[6] < 50 and quiet[9] < 100 and quiet[-1] > 50
    assert comes_true(is_quiet)                                 # nothing runs but this


def test_vmstat_repeats_its_head(machine):
    lines = machine.check("vmstat 0.01 45").splitlines()
    assert sum("faults" in line for line in lines) == 3 and len(lines) == 45 + 6


def test_vmstat_sees_work(machine):
    machine.check("yes > /dev/null &")
    assert comes_true(lambda: numbers(machine.check("vmstat 0.5 2").splitlines()[-1])[-1] < 80)  # one of two harts is busy
    end(machine, "yes")


def koid_of(machine, name):
    return re.search(rf"^ *(\d+) runs .* {name}$", machine.check("ps"), re.M)[1]


def end(machine, name):
    """Kill it and wait until it is gone."""
    koid = koid_of(machine, name)
    assert machine.run(f"kill -KILL {koid}; wait {koid}").status == EXIT_KILLED


REGION = r"^([0-9a-f]{10}) +(\d+)K +(\d+)K ([r-][w-][x-][ps]) (\S+) +([0-9a-f]+) +(\d+) +\d+K (.*)$"


def regions(output):
    return [(int(base, 16), int(size), int(resident), protection, kind, name) for
            base, size, resident, protection, kind, _, _, name in re.findall(REGION, output, re.M)]


def start_sleep(machine, seconds):
    """A program that has come to rest when this returns: it waits for good."""
    machine.check(f"sleep {seconds} &")
    koid = re.findall(r"^ *(\d+) runs .* sleep$", machine.check("ps"), re.M)[-1]
    assert comes_true(lambda: re.search(rf"^ *{koid} .* sleep\n *\d+ waits ", machine.check("ps -t"), re.M))
    return koid


def test_pmap(machine):
    koid = start_sleep(machine, 1000)
    output = machine.check(f"pmap {koid}")
    assert output == machine.check("pmap sleep")
    assert output.startswith(f"{koid}: sleep\n")
    found = regions(output)
    assert len(found) == len(output.splitlines()) - 3
    assert found == sorted(found) and all(size >= resident for _, size, resident, *_ in found)
    text = found[0]
    assert text[0] == 0x10000 and text[3:] == ("r-xp", "pager", "/bin/sleep") and text[2] > 0
    assert any(region[3:] == ("rw-p", "anon", "data") for region in found)
    assert found[-2][2:] == (0, "---p", "anon", "stack") and found[-1][3:] == ("rw-p", "anon", "stack")
    totals = re.search(r"^virtual (\d+)K, resident (\d+)K, private (\d+)K, swapped (\d+)K$", output, re.M)
    virtual, resident, private, swapped = map(int, totals.groups())
    assert virtual == sum(region[1] for region in found)
    assert resident == sum(region[2] for region in found)
    assert 0 < private <= resident and swapped == 0
    row = re.search(rf"^ *{koid} .*$", machine.check("ps"), re.M)[0]
    assert f" {virtual}K " in row and f" {resident}K " in row

    start_sleep(machine, 1001)                  # now two processes show the program's pages
    both = machine.check("pmap sleep").split("virtual")
    for output in both[:2]:
        assert regions(output)[0][3:] == ("r-xs", "pager", "/bin/sleep")
        assert regions(output)[-1][3] == "rw-p"
    end(machine, "sleep")
    end(machine, "sleep")
    assert comes_true(lambda: machine.run("pmap sleep").output == "pmap: sleep: no such process\n")


def test_ps_shows_threads(machine):
    output = machine.check("ps -t")
    threads = re.findall(r"^ *\d+ (runs|waits|page) +hart \d +[\d.]+ s   (\S+)$", output, re.M)
    assert ("waits", "main") in threads and ("waits", "thread") in threads      # ext2fs has several
    assert ("runs", "main") in threads                                          # ps itself


TOP_ROW = r"^ *(\d+) (\S+) +(\d+) +([\d.]+) +([\d.]+) +(\d+)K +(\d+)K (\S+)$"


def test_top_in_batch(machine):
    machine.check("yes > /dev/null &")

    def yes_is_busy():
        rounds = machine.check("top -b -n 2 -d 0.5").split("up ")[1:]
        assert len(rounds) == 2
        for output in rounds:
            assert re.search(r"\d harts, \d+ processes, \d+ threads\nprocessors: [\d.]+% busy, [\d.]+% idle\n"
                             r"memory, KiB: \d+ total, \d+ used, \d+ free, \d+ cached\n"
                             r"swap, KiB: \d+ total, \d+ used, \d+ free\n\n", output)
            assert "\033" not in output
        rows = re.findall(TOP_ROW, rounds[1], re.M)
        names = [row[7] for row in rows]
        assert {"yes", "init", "ext2fs", "sh", "top"} <= set(names)
        shares = [float(row[3]) for row in rows]
        assert shares == sorted(shares, reverse=True)
        return names[0] == "yes" and rows[0][1] == "runs" and 40 < shares[0] <= 110
    assert comes_true(yes_is_busy)
    end(machine, "yes")
    assert len(machine.check("top -n 1 | grep -c .").split()) == 1     # a pipe: -b by itself


def test_top_on_the_console(machine):
    """It redraws at its interval, at a blank at once, and q ends it."""
    machine.send("top -d 0.2\n")
    machine.wait_for(r"\x1b\[2J\x1b\[Hup ")
    for _ in range(2):
        machine.wait_for(r" top\x1b\[K\n(.*\n)*?\x1b\[J")
        machine.wait_for(r"\x1b\[Hup ")
    machine.send("q")
    machine.wait_for_prompt()
    machine.send("top -d 1000\n")
    machine.wait_for(r"\x1b\[J")
    machine.send(" ")
    machine.wait_for(r"\x1b\[J")
    machine.send("q")
    machine.wait_for_prompt()
    assert machine.check("top -n 1 -d 0.1").count("\x1b[J") == 1


@pytest.mark.parametrize("command", ["poweroff 3", "/bin/poweroff 3", "env poweroff 3", "exit 3"])
def test_poweroff(boot, command):
    machine = boot()
    machine.send(command + "\n")
    assert machine.wait_for_end() == 3


@pytest.mark.parametrize("command", ["reboot", "/bin/reboot"])
def test_reboot(boot, command):
    machine = boot()
    machine.send(command + "\n")
    assert machine.wait_for_end() == 0              # -no-reboot: QEMU ends


def test_everything_in_bin_is_a_program(machine):
    """Each starts and ends by itself without input; none faults."""
    names = machine.check("ls /bin").split()
    assert len(names) > 30
    for name in names:
        if name in ("poweroff", "reboot", "yes", "top", "sh", "mandelbrot"):
            continue
        assert machine.run(f"{name} < /dev/null > /dev/null").status not in (EXIT_FAULT, 126, 127), name
