import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from ebpftrace.symbols.locations import MOST_NAME
from ebpftrace.symbols.resolver import child, client, wire
from ebpftrace.symbols.resolver.client import ModuleFailed, Opened, Resolver, ResolverGone

HELLO = """
import socket, struct, time
from ebpftrace.symbols.resolver import wire
channel = socket.socket(fileno=int(sys.argv[1]))
wire.send(channel, {})
OPENED = {"has_debug_info": True, "mapped_bytes": 0, "refused": [], "unanswered": None}
def raw(body):
    channel.sendall(struct.pack("<I", len(body)) + body)
"""
ANSWER = HELLO + "wire.receive(channel)\n"
KEEPS_QUIET = "time.sleep(60)\n"


class Fake:
    """A resolver whose process is a script of the test's; `cured` ones are real again."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._run = child._RUN
        self.resolver = Resolver()

    def runs(self, script: str) -> None:
        self._patch.setattr(child, "_RUN", script)

    def cured(self) -> None:
        self._patch.setattr(child, "_RUN", self._run)

    def open(self, number: int = 0) -> Opened:
        with Path("/usr/bin/python3").open("rb") as file:
            return self.resolver.open(number, "/usr/bin/python3", [file.fileno()], None)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch):
    one = Fake(monkeypatch)
    yield one
    one.resolver.stop()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


OPEN_ANSWERS = {
    "nothing of it": "wire.send(channel, {})",
    "a list": "raw(b'[]')",
    "no JSON": "raw(b'{')",
    "no text": "raw(bytes(range(256)))",
    "nested too deeply": "raw(b'[' * 1_000_000)",
    "an endless number": """raw(b'{"has_debug_info":1,"mapped_bytes":1e999,"refused":[],"unanswered":null}')""",
    "not a number": """raw(b'{"has_debug_info":1,"mapped_bytes":NaN,"refused":[],"unanswered":null}')""",
    "a number of many digits": """raw(b'{"mapped_bytes":' + b'9' * 100_000 + b'}')""",
    "a number for a list": "wire.send(channel, OPENED | {'refused': 7})",
    "9 MB": "channel.sendall(struct.pack('<I', 9 << 20) + bytes(9 << 20))",
    "a length beyond all": "channel.sendall(bytes([255] * 4))",
}


@pytest.mark.parametrize("what", OPEN_ANSWERS)
def test_an_answer_that_makes_no_sense_ends_the_process_and_costs_its_module(fake, what):
    fake.runs(ANSWER + OPEN_ANSWERS[what] + "\n" + KEEPS_QUIET)
    began = descriptors()
    with pytest.raises(ModuleFailed, match="what was read makes no sense"):
        fake.open()
    assert fake.resolver.pid is None
    assert descriptors() == began
    fake.cured()
    assert fake.open(1).has_debug_info in (True, False)


PLACES = {
    "too few": "[]",
    "no list": "7",
    "not five": "[[[None, 'f']]]",
    "a text for a line": "[[[None, 'f', 'a.c', '1', 1]]]",
    "a negative line": "[[[None, 'f', 'a.c', -1, 1]]]",
    "a line beyond all": "[[[None, 'f', 'a.c', 1 << 32, 1]]]",
    "a number for a name": "[[[None, 1, 'a.c', 1, 1]]]",
    "a name beyond all": f"[[[None, 'f' * {MOST_NAME + 1}, 'a.c', 1, 1]]]",
    "an object": "[{'a': 1}]",
}


@pytest.mark.parametrize("what", PLACES)
def test_places_that_make_no_sense_cost_their_module(fake, what):
    fake.runs(
        f"{ANSWER}wire.send(channel, OPENED)\nwire.receive(channel)\n"
        f"wire.send(channel, {{'places': {PLACES[what]}}})\n{KEEPS_QUIET}"
    )
    assert fake.open().has_debug_info
    with pytest.raises(ModuleFailed, match="what was read makes no sense"):
        fake.resolver.find(0, [1])
    assert not fake.resolver.is_open(0)


def test_more_inlined_functions_than_are_shown_are_cut(fake):
    fake.runs(
        f"{ANSWER}wire.send(channel, OPENED)\nwire.receive(channel)\n"
        f"wire.send(channel, {{'places': [[[None, 'f', 'a.c', 1, 1]] * 1000]}})\n{KEEPS_QUIET}"
    )
    fake.open()
    assert len(fake.resolver.find(0, [1])[0]) == 64


def test_descriptors_that_come_with_an_answer_are_closed(fake):
    send = "socket.send_fds(channel, [{head}], [0, 1, 2] * 5)\n"
    good = "struct.pack('<I', 2) + b'{{}}'".replace("{{}}", "{}")
    began = descriptors()
    for head in (good, "bytes([255] * 4)", "bytes([9, 0, 0, 0]) + b'not JSON!'", "b'x'"):
        fake.runs(ANSWER + send.format(head=head))
        with pytest.raises(ModuleFailed):
            fake.open()
        assert descriptors() == began


@pytest.mark.parametrize(
    "script",
    [
        KEEPS_QUIET,
        "channel.sendall(bytes([100, 0, 0, 0]))\n" + KEEPS_QUIET,
        (
            "channel.sendall(bytes([0, 0, 64, 0]))\n"
            "while True:\n    channel.sendall(b' ')\n    time.sleep(0.05)\n"
        ),
    ],
    ids=["nothing", "a length only", "a byte now and then"],
)
def test_who_does_not_answer_in_time_is_ended(fake, monkeypatch, script):
    monkeypatch.setattr(client, "_OPEN_S", 0.4)
    fake.runs(ANSWER + script)
    began = time.monotonic()
    with pytest.raises(ModuleFailed, match="longer than"):
        fake.open()
    assert time.monotonic() - began < 1.5
    assert fake.resolver.pid is None


def test_who_does_not_even_read_the_question_is_ended(fake, monkeypatch):
    monkeypatch.setattr(client, "_FIND_S", 0.4)
    fake.runs(f"{ANSWER}wire.send(channel, OPENED)\n{KEEPS_QUIET}")
    fake.open()
    with pytest.raises(ModuleFailed, match="longer than"):
        fake.resolver.find(0, range(1_000_000))


def test_a_sentence_of_an_error_is_cut(fake):
    fake.runs(f"{ANSWER}wire.send(channel, {{'error': 'x' * 1_000_000}})\n{KEEPS_QUIET}")
    with pytest.raises(ModuleFailed) as caught:
        fake.open()
    assert len(str(caught.value)) <= 500


def test_what_is_refused_is_cut_too(fake):
    told = (
        "OPENED | {'refused': ['x' * 9999 + str(n) for n in range(99)], 'unanswered': 'y' * 9999}"
    )
    fake.runs(f"{ANSWER}wire.send(channel, {told})\n{KEEPS_QUIET}")
    opened = fake.open()
    assert sum(map(len, opened.refused)) <= 16 * MOST_NAME
    assert len(opened.unanswered or "") <= MOST_NAME


@pytest.mark.parametrize("name", [r"\rRssAnon: 1 kB", r"\x85VmRSS: 1 kB", r"\xff\xfe", "9 kB"])
def test_its_name_says_nothing_of_its_memory(fake, name):
    named = f"import ctypes; ctypes.CDLL(None).prctl(15, b'{name}')\n"
    fake.runs(f"{ANSWER}{named}wire.send(channel, OPENED)\n{KEEPS_QUIET}")
    fake.open()
    one = fake.resolver._child
    assert one is not None
    assert all(one.memory_bytes(field) > 1 << 20 for field in ("RssAnon", "VmRSS"))


@pytest.mark.parametrize(
    "script, how",
    [
        ("os._exit(3)", "status 3"),
        ("os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("os.kill(os.getpid(), 40)", "signal 40|SIG"),
        ("channel.close(); import time; time.sleep(9)", "silence"),
    ],
)
def test_how_it_ended_is_said(fake, script, how):
    fake.runs(ANSWER + script)
    with pytest.raises(ModuleFailed, match=f"ended with ({how})"):
        fake.open()
    fake.cured()
    assert isinstance(fake.open(1), Opened)


def test_where_it_does_not_start_there_is_a_sentence(fake, monkeypatch):
    fake.runs("os._exit(4)")
    with pytest.raises(ResolverGone, match=r"does not start \(status 4\)"):
        fake.open()
    fake.runs(HELLO.replace("{}", "{'error': 'no drgn'}") + KEEPS_QUIET)
    with pytest.raises(ResolverGone, match="cannot be read: no drgn"):
        fake.open()
    monkeypatch.setattr(sys, "executable", "/not/there")
    with pytest.raises(ResolverGone, match="does not start: "):
        fake.open()
    monkeypatch.undo()
    monkeypatch.setattr(child, "_START_S", 0.3)
    monkeypatch.setattr(child, "_RUN", "import time; time.sleep(60)")
    with pytest.raises(ResolverGone, match="silence"):
        fake.open()


def test_killed_while_it_is_asked_it_costs_that_module_only(fake):
    fake.runs(f"{ANSWER}{KEEPS_QUIET}")

    def kill() -> None:
        while fake.resolver.pid is None:
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(fake.resolver.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(ModuleFailed, match="SIGKILL"):
        fake.open()
    killer.join()
    fake.cured()
    assert isinstance(fake.open(1), Opened)


def test_killed_between_questions_it_costs_the_next_one(fake):
    fake.open()
    assert fake.resolver.pid is not None
    os.kill(fake.resolver.pid, signal.SIGKILL)
    with pytest.raises(ModuleFailed, match="SIGKILL"):
        fake.open(1)
    assert isinstance(fake.open(2), Opened)


def test_after_an_interruption_nothing_is_asked_any_more(fake):
    fake.runs(f"{ANSWER}{KEEPS_QUIET}")
    ender = threading.Timer(0.5, fake.resolver.interrupt)
    ender.start()
    began = time.monotonic()
    with pytest.raises(ModuleFailed):
        fake.open()
    assert time.monotonic() - began < 3
    ender.join()
    with pytest.raises(ResolverGone):
        fake.open(1)


def test_a_signal_that_is_meant_for_the_recorder_does_not_end_it_at_its_start(fake):
    fake.runs(f"import signal; os.kill(os.getpid(), signal.SIGUSR1); {child._RUN}")
    assert fake.open().has_debug_info is not None
    assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_the_process_ends_with_its_resolver_and_leaves_no_descriptor(fake):
    began = descriptors()
    fake.open()
    pid = fake.resolver.pid
    fake.resolver.stop()
    fake.resolver.stop()
    assert not Path(f"/proc/{pid}").exists()
    assert descriptors() == began


def test_a_message_survives_the_way_whatever_is_in_it():
    import socket

    here, there = socket.socketpair()
    with here, there:
        message = {"a": ["\ud800\x00é", None, 1 << 80]}
        wire.send(here, message)
        assert wire.receive(there) == (message, [])
        here.close()
        with pytest.raises(EOFError):
            wire.receive(there)
