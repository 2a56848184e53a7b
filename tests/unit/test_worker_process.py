"""What the process that holds the probes does with a conversation at its end. Nothing is probed here."""

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from ebpftrace.kernel import worker_process
from ebpftrace.kernel.worker_process import Conversation, Tried

LIMIT_S = 10.0


class Look:
    """A look at all processes that stays at the first of them until `goes_on`."""

    def __init__(self) -> None:
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def __call__(self, _process: str) -> None:
        self.begun.set()
        assert self.goes_on.wait(LIMIT_S)


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Look:
    made = Look()
    monkeypatch.setattr(worker_process, "_read_memory", made)
    return made


class Talk:
    """A conversation in a thread of its own, and the end of its maker."""

    def __init__(self) -> None:
        self.end, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.end.settimeout(LIMIT_S)
        self.serving = Conversation(others, Tried.__new__(Tried))
        self.thread = threading.Thread(target=self.serving.run, daemon=True)
        self.thread.start()

    def ask(self, what: str) -> None:
        self.end.send(json.dumps({"do": what, "files": 0}).encode())


@pytest.fixture
def talk() -> Iterator[Talk]:
    made = Talk()
    with made.end:
        yield made


def test_a_look_that_was_left_alone_does_nothing_more(look: Look, talk: Talk):
    talk.ask("check")
    talk.ask("remove")  # would be next
    assert look.begun.wait(LIMIT_S)
    assert talk.serving.abandoned()
    look.goes_on.set()
    talk.thread.join(LIMIT_S)
    assert not talk.thread.is_alive()
    assert _heard(talk.end) == b""


def test_one_that_has_ended_its_look_is_waited_for(look: Look, talk: Talk):
    talk.ask("check")
    assert look.begun.wait(LIMIT_S)
    look.goes_on.set()
    assert json.loads(talk.end.recv(4096)) == {"errno": 0}
    assert not talk.serving.abandoned()
    talk.ask("remove")
    assert json.loads(talk.end.recv(4096)) == {"errno": 0}
    talk.end.close()
    talk.thread.join(LIMIT_S)
    assert not talk.thread.is_alive()


def test_one_that_holds_probes_is_never_left_alone(look: Look, talk: Talk):
    talk.serving._held.append(-1)
    talk.ask("check")
    assert look.begun.wait(LIMIT_S)
    assert not talk.serving.abandoned()
    talk.serving._held.clear()
    look.goes_on.set()
    assert json.loads(talk.end.recv(4096)) == {"errno": 0}
    talk.end.close()
    talk.thread.join(LIMIT_S)


def _heard(end: socket.socket) -> bytes:
    """What came last; nothing where the other end closed with our words unread."""
    try:
        return end.recv(4096)
    except ConnectionResetError:
        return b""
