"""Real programs that allocate for as long as a test looks at them, by doing the same work again and again.

Owns starting each, alone and in one process, and a thread that gives it work; its end ends both.
None of them uses the network beyond this machine.
"""

import contextlib
import itertools
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kernel.harness import START_LIMIT, Program, wait_until

Address = str | tuple[str, int]
"""Of a socket: a path, or a host and a port."""

_ANSWER_LIMIT = 60.0  # gdb holds the program meanwhile
_RETRY = 0.1
_PAUSE = 0.001  # bounds the connections that wait in TIME_WAIT


class Driven(Program):
    """A program and what gives it work: `turn` is called until the program is ended."""

    def __init__(
        self,
        command: Sequence[object],
        turn: Callable[["Driven"], None] | None = None,
        address: Address | None = None,
        **options: Any,
    ) -> None:
        """With an `address`, returns when the program listens there."""
        stdin = subprocess.DEVNULL if address or not turn else subprocess.PIPE
        super().__init__(list(map(str, command)), stdin=stdin, **options)
        self._ending = threading.Event()
        self._driver = threading.Thread(target=self._drive, args=(turn,), daemon=True)
        try:
            if address:
                wait_until(lambda: self._listens(address), f"{self.title}: socket", START_LIMIT)
        except AssertionError:
            super().close()
            raise
        if turn:
            self._driver.start()

    def __enter__(self) -> "Driven":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def _listens(self, address: Address) -> bool:
        assert self.process.poll() is None, f"{self.title} ended (status {self.process.returncode})"
        try:
            _connect(address).close()
        except OSError:
            return False
        return True

    def _drive(self, turn: Callable[["Driven"], None]) -> None:
        while not self._ending.is_set():
            try:
                turn(self)
            except OSError:  # it has ended, or closed a connection early
                self._ending.wait(_RETRY)

    def write(self, text: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def close(self) -> None:
        self._ending.set()
        super().close()
        if self._driver.ident:
            self._driver.join(_ANSWER_LIMIT)
        if self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.close()


def _connect(address: Address) -> socket.socket:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(_ANSWER_LIMIT)
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _asking(address: Address, requests: Sequence[bytes]) -> Callable[[Driven], None]:
    """A turn: the next request on a connection of its own, until the program closes that."""
    following = itertools.cycle(requests)

    def ask(program: Driven) -> None:
        with _connect(address) as connection:
            connection.sendall(next(following))
            while connection.recv(1 << 16):
                pass
        time.sleep(_PAUSE)

    return ask


# --- the programs ------------------------------------------------------------------------------

_PYTHON = """
import json, re
word = re.compile(r"(\\w+)-(\\d+)")
rows = [{"name": f"item-{i}", "tags": [str(i), "x" * (i % 40)], "price": i / 7} for i in range(40)]
def prices(found): return sorted(found, key=lambda row: (-row["price"], row["name"]))
while True:
    text = json.dumps(prices(rows), indent=1)
    found = json.loads(text)
    names = [match.groups() for match in word.finditer(text)]
    re.sub(r"x+", lambda match: match.group().upper(), text)
    {row["name"]: dict(row) for row in found}
"""


def python(_: Path) -> Driven:
    # Not `python3`, which may be a script that runs another; and pymalloc would hide what it does.
    return Driven(["/usr/bin/python3", "-c", _PYTHON], env={"PYTHONMALLOC": "malloc"})


_SQL = b"""
DROP TABLE IF EXISTS orders;
CREATE TABLE orders(id INTEGER PRIMARY KEY, who TEXT, amount REAL, note TEXT);
CREATE INDEX by_who ON orders(who);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
INSERT INTO orders SELECT i, 'who-' || (i % 17), i * 1.5, printf('%.*c', i % 90, 'n') FROM n;
SELECT who, count(*), sum(amount) FROM orders GROUP BY who HAVING sum(amount) > 10 ORDER BY 3 DESC;
SELECT a.id, b.note FROM orders a JOIN orders b ON a.who = b.who AND a.id < b.id LIMIT 200;
UPDATE orders SET note = upper(note) || json_object('id', id, 'who', who) WHERE id % 3 = 0;
SELECT group_concat(note, ',') FROM (SELECT DISTINCT note FROM orders ORDER BY note);
DELETE FROM orders WHERE id IN (SELECT id FROM orders WHERE note LIKE '%NN%');
"""


def sqlite(_: Path) -> Driven:
    return Driven(["sqlite3", "-cmd", ".output /dev/null", ":memory:"], lambda it: it.write(_SQL))


def _redis_words(*commands: str) -> bytes:
    """Inline commands, the last of which makes redis close the connection."""
    return "".join(f"{command}\r\n" for command in (*commands, "QUIT")).encode()


_REDIS = (
    _redis_words("SET a " + "v" * 3000, "APPEND a tail", "GET a", "SETRANGE a 9000 end", "DEL a"),
    _redis_words("RPUSH l 3 1 2 " + "7 " * 200, "SORT l LIMIT 0 50", "LRANGE l 0 -1", "DEL l"),
    _redis_words(*(f"HSET h field-{i} {'w' * i}" for i in range(80)), "HGETALL h", "DEL h"),
    _redis_words(*(f"ZADD z {i % 7} member-{i}" for i in range(150)), "ZRANGE z 0 -1", "DEL z"),
    _redis_words(
        'EVAL "local t={} for i=1,50 do t[i]=cjson.encode({i,tostring(i)}) end return t" 0',
        "XADD s * name value",
        "XRANGE s - +",
        "XTRIM s MAXLEN 0",
        "INFO",
    ),
)


def redis(folder: Path) -> Driven:
    address = str(folder / "redis")
    options = {
        "port": 0,
        "unixsocket": address,
        "save": "",
        "dir": folder,
        "loglevel": "warning",
        "slowlog-log-slower-than": -1,  # every command is slow while gdb stops it, none later
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Driven(["redis-server", *words], _asking(address, _REDIS), address)


_NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log /dev/null crit;
events {{ worker_connections 64; }}
http {{
    access_log off; gzip on; gzip_min_length 1; gzip_types *;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    large_client_header_buffers 4 16k; client_body_buffer_size 16k; output_buffers 2 64k;
    server {{
        listen unix:{folder}/nginx; root {folder}/files;
        location /list/ {{ autoindex on; }}
        location /far/ {{ proxy_pass http://unix:{folder}/nginx:/; proxy_buffering off; }}
        location /old/ {{ rewrite ^/old/(.*)$ /$1 last; }}
    }}
}}
"""


def _http(path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


_PAGES = (
    _http("/page.html", "Accept-Encoding: gzip"),
    _http("/list/"),
    _http("/far/page.html", "Accept-Encoding: gzip"),
    _http("/old/page.html", "Range: bytes=1000-20000"),
    _http("/page.html", "X-Long: " + "h" * 9000),
    _http("/far/list/", "Cookie: " + "c" * 5000, body=b"b" * 9000, method="POST"),
    _http("/absent"),
)


def nginx(folder: Path) -> Driven:
    listed = folder / "files" / "list"
    listed.mkdir(parents=True)
    for number in range(60):
        (listed / f"file-{number}").touch()
    (folder / "files" / "page.html").write_text("<p>a page of some length</p>\n" * 3000)
    # The worker runs as another user where there is one, which may not look into a folder of ours.
    configuration = folder / "nginx.conf"
    configuration.write_text("user root;" + _NGINX.format(folder=folder))
    address = str(folder / "nginx")
    command = ["/usr/sbin/nginx", "-p", folder, "-e", "/dev/null", "-c", configuration]
    return Driven(command, _asking(address, _PAGES), address)


def _rpc(method: str, *parameters: object) -> bytes:
    call = {"jsonrpc": "2.0", "id": "1", "method": method, "params": parameters}
    headers = ("Content-Type: application/json",)
    return _http("/jsonrpc", *headers, method="POST", body=json.dumps(call).encode())


_GID = "00000000000000ab"
_RPC = (
    # Paused: aria2 opens no connection for it.
    _rpc(
        "aria2.addUri",
        ["http://localhost:9/a", "http://localhost:9/b"],
        {"pause": "true", "gid": _GID, "out": "a", "header": ["A: b", "C: d"]},
    ),
    _rpc("aria2.tellStatus", _GID),
    _rpc("aria2.changeOption", _GID, {"max-download-limit": "20K", "split": "3"}),
    _rpc("aria2.getOption", _GID),
    _rpc("aria2.tellWaiting", 0, 10, ["gid", "status", "files"]),
    _rpc("aria2.forceRemove", _GID),
    _rpc("aria2.removeDownloadResult", _GID),
    _rpc("aria2.getGlobalOption"),
    _rpc(
        "system.multicall",
        [{"methodName": "aria2.getVersion"}, {"methodName": "aria2.getGlobalStat"}],
    ),
    _rpc("aria2.noSuchMethod", {"a": [1, 2.5, None, True, "text \u00e9"]}),
)


def aria2(folder: Path) -> Driven:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        address = ("127.0.0.1", chosen.getsockname()[1])
    options = {"enable-rpc": "true", "rpc-listen-port": address[1], "dir": folder, "quiet": "true"}
    words = [f"--{name}={value}" for name, value in options.items()]
    return Driven(["aria2c", "--no-conf", *words], _asking(address, _RPC), address)


_PAPER = rb"""
.TH STACKS 1 "a date" "a source" "a manual"
.SH NAME
stacks \- compared \fIframe\fP by \fBframe\fP
.de NE
.if \\$1 \{\
.ds text\\$1 \\$2 and \\*[text0]
.nr left \\$1-1
.NE \\n[left] "\\$2x"
.\}
..
.ds text0 nothing
.NE 12 some
.SH DESCRIPTION
A paragraph whose words have to be filled, hyphenated and adjusted: \*[text3], extraordinarily \(em
long \s+2ones\s0 among them, and \w'measured text'u units of \h'2m'space.
.TP 8
.B \-\-option
What it does, \v'-1m'raised\v'1m', with a \o'ae'.
.di kept
Text that is diverted \*[text5]
.br
.di
.in +4
.nf
.kept
.fi
.in -4
.rm kept text1 text2 text3 text4 text5
.ta 8n 16n 24n
one	two	three
.br
.ie '\*[text0]'nothing' .tl 'left'centre'right'
.el .tm never
"""


def troff(_: Path) -> Driven:
    # -z: format everything, write nothing.
    return Driven(["troff", "-z", "-man", "-Tascii"], lambda it: it.write(_PAPER))


@dataclass(frozen=True, slots=True)
class Subject:
    """A program to compare on. `calls`: the fewest and the most mallocs from one stop to the next."""

    name: str
    language: str
    start: Callable[[Path], Driven]
    calls: tuple[int, int] = (3, 400)


SUBJECTS = (
    Subject("python3", "C", python),
    Subject("sqlite3", "C", sqlite),
    Subject("redis", "C", redis),
    Subject("nginx", "C", nginx, (1, 20)),
    Subject("aria2", "C++", aria2),
    Subject("troff", "C++", troff),
)
