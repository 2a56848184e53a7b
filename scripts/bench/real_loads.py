"""Programs that nobody here wrote, each with something to do until it is told to stop."""

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_PYTHON = """
import json, random, sys, threading
going = True
sys.stdin.readline()
def wait():
    global going
    sys.stdin.readline()
    going = False
threading.Thread(target=wait, daemon=True).start()
kept, cache = [], {}
while going:
    for n in range(40):
        text = json.dumps({"name": random.random(), "list": list(range(random.randrange(30)))})
        cache[random.randrange(2000)] = json.loads(text)
    kept.append(text * 3)
    threading.Event().wait(0.004)
threading.Event().wait()
"""

Step = Callable[[random.Random], None]


@contextmanager
def _process(command: list[str], **options: object) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Load:
    """A process, and what goes on in it from `start` to `stop`."""

    def __init__(
        self, pid: int, step: Step | None, turn: Callable[[], None] = lambda: None
    ) -> None:
        """`step` is done again and again; `turn` lets a program that needs none begin, and end."""
        self.pid = pid
        self._step = step
        self._turn = turn
        self._going = True
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._turn()
        self._thread.start()

    def stop(self) -> None:
        self._going = False
        self._thread.join()
        self._turn()

    def _run(self) -> None:
        chance = random.Random()  # each run is another
        while self._going and self._step is not None:
            self._step(chance)
            time.sleep(0.005)


@contextmanager
def python(_: ExitStack) -> Iterator[Load]:
    environment = {**os.environ, "PYTHONMALLOC": "malloc"}
    command = [sys.executable, "-c", _PYTHON]
    with _process(command, stdin=subprocess.PIPE, env=environment) as process:
        assert process.stdin
        pipe = process.stdin

        def turn() -> None:
            pipe.write(b"\n")
            pipe.flush()

        yield Load(process.pid, None, turn)


@contextmanager
def sqlite(_: ExitStack) -> Iterator[Load]:
    with _process(["sqlite3", ":memory:"], stdin=subprocess.PIPE) as process:
        assert process.stdin
        pipe = process.stdin
        pipe.write(
            b"create table t (id integer primary key, text, number); create index i on t (number);\n"
        )

        def step(chance: random.Random) -> None:
            number = 0
            for _ in range(10):
                number, length = chance.randrange(1 << 40), chance.randrange(2000)
                pipe.write(
                    b"insert into t (text, number) values (hex(zeroblob(%d)), %d);\n"
                    % (length, number)
                )
            pipe.write(b"delete from t where id = %d;\n" % chance.randrange(5000))
            pipe.write(b"select count(*) from t where number > %d;\n" % number)
            pipe.flush()

        yield Load(process.pid, step)


@contextmanager
def redis(opened: ExitStack) -> Iterator[Load]:
    folder = opened.enter_context(tempfile.TemporaryDirectory())
    command = ["redis-server", "--port", "0", "--unixsocket", f"{folder}/socket", "--save", ""]
    with _process(command, cwd=folder) as process:
        client = opened.enter_context(_connected(f"{folder}/socket"))

        def step(chance: random.Random) -> None:
            asked = b""
            for _ in range(10):
                key = f"key:{chance.randrange(1 << 30)}"
                asked += _command("SET", key, "x" * chance.randrange(400))
                asked += _command("APPEND", f"long:{chance.randrange(50)}", "y" * 20)
                asked += _command("HSET", f"hash:{chance.randrange(200)}", key, "z")
                asked += _command("DEL", f"hash:{chance.randrange(2000)}")
            client.sendall(asked)
            client.recv(1 << 16)

        yield Load(process.pid, step)


def _command(*words: str) -> bytes:
    said = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    return said.encode()


@contextmanager
def nginx(opened: ExitStack) -> Iterator[Load]:
    folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;"
        "events { worker_connections 4000; }"
        f"http {{ access_log off; keepalive_timeout 1000; {temporary}"
        f"server {{ listen unix:{folder}/socket; return 200 hi; }} }}"
    )
    path = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    assert path is not None, "scripts/setup --dev installs it"
    command = [path, "-p", str(folder), "-c", str(folder / "conf"), "-e", str(folder / "log")]
    with _process(command, stderr=subprocess.DEVNULL) as process:
        opened.enter_context(_connected(str(folder / "socket")))
        clients: list[socket.socket] = []

        def step(chance: random.Random) -> None:
            for _ in range(5):
                if len(clients) < 900:
                    clients.append(opened.enter_context(_connected(str(folder / "socket"))))
                one = chance.choice(clients)
                one.sendall(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % chance.randrange(1000))
                one.recv(1 << 12)

        yield Load(process.pid, step)


def _connected(path: str) -> socket.socket:
    end = time.monotonic() + 20
    while True:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(path)
        except OSError:
            client.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return client


LOADS = {"python3": python, "sqlite3": sqlite, "redis": redis, "nginx": nginx}
