"""What bash, zsh and fish complete, each as it does for people; `scripts/setup --dev` installs them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ebpftrace.cli.main import parser
from scripts.usage import values
from scripts.usage.grammar import read
from tests.unit.shells import SHELLS

GRAMMAR = read(parser())
COMMANDS = {one.name: one for one in GRAMMAR.commands}
# A comm has 15 bytes. Each of these writes the file `ran` where a shell takes it for a command.
INSERTED = [
    "$(>ran)",
    "`>ran`",
    ";>ran;",
    "a>ran",
    "a'>ran'",
    'a">ran',
    "a\\$(>ran)",
    "!!>ran",
    "{a,>ran}",
]
LEFT_OUT = [
    "a\n>ran",
    "\x1b]0;>ran\x07",
    "x\r>ran",
    "-p>ran",
    "~root>ran",
    "é>ran",
    "../>ran",
    "\t>ran",
]
NAMED = """
import os, signal, sys
ready, named = os.pipe()
pids = []
for name in map(bytes.fromhex, sys.argv[1:]):
    pids.append(os.fork())
    if not pids[-1]:
        with open("/proc/self/comm", "wb", 0) as file:
            file.write(name)
        os.write(named, b".")
        signal.pause()
for _ in pids:
    os.read(ready, 1)
print(*pids, flush=True)
sys.stdin.read()
os.killpg(0, signal.SIGKILL)
"""
CONTROL_GROUPS = [Path("/sys/fs/cgroup", name) for name in ("", "unified", "systemd", "memory")]


@pytest.fixture(scope="module", params=SHELLS, ids=lambda shell: shell.__name__.lower())
def shell(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param.__name__)
    (folder / "app.ebpftrace").touch()
    (folder / "app folder").mkdir()
    one = request.param(folder)
    yield one
    one.close()


@pytest.fixture
def processes():
    """Starts processes that call themselves so, and have gone afterwards; their pids."""
    started = []

    def start(*names):
        given = [name.encode().hex() for name in names]
        one = subprocess.Popen(
            [sys.executable, "-c", NAMED, *given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(one)
        assert one.stdout is not None
        return one.stdout.readline().decode().split()

    yield start
    for one in started:
        one.communicate()


def flags(command):
    return {flag for option in COMMANDS[command].options for flag in option.flags}


def bare(words):
    """Options without the sign for `a value follows`; zsh has a command that is called `-`, for `run`."""
    return {word.rstrip("=") for word in words} - {"-"}


def test_commands_are_offered_first(shell):
    assert shell.offered("ebpftrace ") == set(COMMANDS)
    assert shell.offered("ebpftrace re") == {"record", "report"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_offered_and_no_other(shell, command):
    assert bare(shell.offered(f"ebpftrace {command} -")) == flags(command)


@pytest.mark.parametrize(
    "line, words",
    [
        (f"ebpftrace {command} {option.flags[0]} ", set(option.choices))
        for command, option in values.of_commands(GRAMMAR)
        if option.choices
    ],
)
def test_every_choice_of_an_option_is_offered_where_its_value_stands(shell, line, words):
    assert shell.offered(line) == words


def test_a_choice_may_stand_in_the_same_word(shell):
    assert {word.rpartition("=")[2] for word in shell.offered("ebpftrace diff --sort=b")} == {
        "bytes",
        "blocks",
    }


def test_what_makes_a_recorder_write_is_begun(shell):
    assert shell.offered("ebpftrace record --on ") == {"pressure=", "rss=", "tracked="}
    assert shell.offered("ebpftrace record --on rs") == {"rss="}


@pytest.mark.parametrize("value", ["--interval ", "--alloc ", "--top ", "--budget "])
def test_nothing_is_offered_where_nobody_knows_the_words(shell, value):
    assert shell.offered(f"ebpftrace attach {value}") == set()


@pytest.mark.parametrize(
    "line",
    [
        "report ",
        "diff app.ebpftrace ",
        "export -f csv -o ",
        "attach -p 1 --log-file ",
        "run --save ",
    ],
)
def test_files_are_offered_where_one_is_wanted(shell, line):
    assert "app.ebpftrace" in shell.offered(f"ebpftrace {line}")


@pytest.mark.parametrize("line", ["record -o ", "report --symbols-from "])
def test_only_directories_are_offered_where_one_is_wanted(shell, line):
    assert {word.rstrip("/") for word in shell.offered(f"ebpftrace {line}a")} == {"app folder"}


def test_processes_are_offered_and_threads_of_the_kernel_are_not(shell, processes):
    (pid,) = processes("any")
    found = shell.offered("ebpftrace attach -p ")
    assert pid in found
    assert all(Path(f"/proc/{word}/cmdline").read_bytes() for word in found & {"1", "2", pid})
    assert pid in shell.offered(f"ebpftrace doctor -p {pid[:-1]}")


def test_names_of_processes_are_offered_once(shell, processes):
    processes("one of two", "one of two", "tmux: server")
    assert shell.offered("ebpftrace attach -n one") == {"one of two"}
    assert shell.offered("ebpftrace record -n tm") == {"tmux: server"}


def test_names_that_a_shell_would_obey_are_inserted_quoted_and_others_left_out(
    shell, processes, tmp_path_factory
):
    processes(*INSERTED, *LEFT_OUT)
    offered = shell.carried_out("ebpftrace attach -n ")
    assert offered[:2] == ["attach", "-n"]
    names = offered[2:]
    assert set(INSERTED) <= set(names)
    assert [name for name in names if not re.fullmatch(r"(?![-~])[ -.0-~]+", name)] == []
    assert not {"a", "x", ">ran"} & set(names)
    assert not list(tmp_path_factory.getbasetemp().rglob("ran"))


def test_names_that_stand_beside_pids_are_never_inserted(shell, processes, tmp_path_factory):
    pids = processes("$(>ran)", "1\n2 (>ran)", "\x1b[31m", "a:b")
    offered = shell.carried_out("ebpftrace attach -p ")
    assert offered[:2] == ["attach", "-p"]
    assert set(pids) <= set(offered)
    assert all(word.isdigit() for word in offered[2:])
    assert not list(tmp_path_factory.getbasetemp().rglob("ran"))


def test_run_completes_the_program_and_its_own_arguments(shell):
    assert "gcc" in shell.offered("ebpftrace run gc")
    assert "gcc" in shell.offered("ebpftrace run -- gc")
    assert "gcc" in shell.offered("ebpftrace run --alloc a:size=arg1 --json -- gc")
    assert shell.offered("ebpftrace run -- cat app.e") == {"app.ebpftrace"}
    assert shell.offered("ebpftrace run --mode full cat app.e") == {"app.ebpftrace"}
    assert not {"--json", "--text"} & shell.offered("ebpftrace run cat --")


def control_groups():
    mounted = [root for root in CONTROL_GROUPS if (root / "cgroup.procs").exists()]
    return {f"/{path.name}/" for root in mounted for path in root.iterdir() if path.is_dir()}


def test_control_groups_are_offered_by_their_path(shell):
    before = control_groups()
    found = shell.offered("ebpftrace attach --cgroup /")
    after = control_groups()
    assert before & after <= found <= before | after


@pytest.mark.parametrize("kind", SHELLS, ids=lambda kind: kind.__name__.lower())
def test_no_program_but_one_that_reads_processes_is_started_for_a_key(kind, processes, tmp_path):
    (pid,) = processes("here")
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs/grep").symlink_to(shutil.which("grep"))  # of fish
    shell = kind(tmp_path, path=str(tmp_path / "programs"))
    try:
        assert shell.offered("ebpftrace ") == set(COMMANDS)
        assert pid in shell.offered("ebpftrace attach -p ")
        assert "here" in shell.offered("ebpftrace attach -n ")
        assert shell.offered("ebpftrace attach --mode f") == {"full"}
    finally:
        shell.close()
