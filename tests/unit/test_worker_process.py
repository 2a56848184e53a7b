"""What the process that holds the probes does with a conversation at its end. Nothing is probed here."""

import errno
import json
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from ebpftrace.errors import HostRefuses
from ebpftrace.kernel import worker_process
from ebpftrace.kernel.refusing import refuse
from ebpftrace.kernel.worker import Channel
from ebpftrace.kernel.worker_process import Conversation, Tried
from ebpftrace.threads import Thread

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


def test_without_threads_all_probes_are_removed_one_after_another(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
):
    reading, writing = os.pipe()
    talk.serving._held += [os.dup(writing), writing]
    with monkeypatch.context() as patch:
        patch.setattr(Thread, "start", no_thread)
        talk.ask("remove")
        assert json.loads(talk.end.recv(4096)) == {"errno": 0}
    assert os.read(reading, 1) == b"", "an end of the pipe is still open"
    os.close(reading)
    talk.end.close()
    talk.thread.join(LIMIT_S)


def test_what_the_host_gives_too_little_of_is_said_of_every_request(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Conversation, "_look_at_all", too_many_files)
    talk.ask("check")
    reason, fix = json.loads(talk.end.recv(4096))["host_refuses"]
    assert "may not open more than" in reason
    assert "ulimit -n" in fix
    talk.end.close()
    talk.thread.join(LIMIT_S)


def test_why_a_conversation_is_not_served_is_heard_whenever_it_is_asked():
    for asks_before in (True, False):
        own, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel = Channel(own)
        if asks_before:
            channel.say({"do": "trial"})
        refuse(theirs, RuntimeError("can't start new thread"))
        with pytest.raises(HostRefuses, match="start no more threads"):
            channel.ask({"do": "trial"})
        channel.close()


def no_thread(_self: Thread) -> None:
    raise RuntimeError("can't start new thread")


def too_many_files(_self: Conversation) -> Iterator[int]:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def _heard(end: socket.socket) -> bytes:
    """What came last; nothing where the other end closed with our words unread."""
    try:
        return end.recv(4096)
    except ConnectionResetError:
        return b""
