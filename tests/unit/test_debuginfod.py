import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpftrace.symbols.resolver.client import server_urls
from tests.unit.debug_builders import (
    CHAIN,
    TAIL,
    asking,
    at,
    build,
    build_id,
    public_folder,
    stripped,
)
from tests.unit.debuginfod_server import Server, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as one:
        monkeypatch.setenv("DEBUGINFOD_URLS", one.url)
        monkeypatch.setenv("DEBUGINFOD_TIMEOUT", "1")
        yield one


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, bytes]:
    """A stripped program, where its jump is, and its debug file."""
    folder = tmp_path_factory.mktemp("fetched")
    path = build(folder / "program", "-g")
    address = at(path, *TAIL)
    stripped(path, folder / "debug", link=False)
    return path, address, (folder / "debug").read_bytes()


@pytest.fixture
def cache() -> Iterator[Path]:
    with public_folder() as folder:
        yield folder / "debuginfod"


def name_of(path: Path) -> str:
    name = build_id(path)
    assert name
    return name


def test_a_debug_file_is_fetched_once_and_kept_for_the_next_run(server, parts, cache):
    path, address, debug = parts
    server.held[name_of(path)] = debug
    for _ in range(2):
        with asking(debuginfod=True, cache=cache) as ask:
            assert ask.chain(path, address) == CHAIN
            assert ask.open(path).unanswered is None
    assert server.asked == [f"/buildid/{name_of(path)}/debuginfo"]
    assert cache.stat().st_mode & 0o777 == 0o700
    if os.geteuid() == 0:
        assert cache.stat().st_uid == 65534


def test_without_a_place_to_keep_it_nothing_is_fetched_which_is_said_once(server, parts, cache):
    path, _, debug = parts
    server.held[name_of(path)] = debug
    for place in (None, cache / "not" / "there"):
        with asking(debuginfod=True, cache=place) as ask:
            assert "no directory" in (ask.open(path).unanswered or "")
            ask.resolver.stop()
            assert ask.open(path).unanswered is None
    assert server.asked == []


def test_unless_it_is_asked_for_no_server_is_asked(server, parts, cache):
    path, _, debug = parts
    server.held[name_of(path)] = debug
    with asking(cache=cache) as ask:
        assert not ask.open(path).has_debug_info
    assert server.asked == []
    assert not cache.exists()


def test_what_is_there_is_not_fetched(server, tmp_path, cache):
    path = build(tmp_path / "program", "-g")
    with asking(debuginfod=True, cache=cache) as ask:
        assert ask.chain(path, at(path, *TAIL)) == CHAIN
    assert server.asked == []


def test_a_server_that_has_no_such_file_is_asked_for_the_next_one(server, parts, cache, tmp_path):
    path, address, debug = parts
    other = build(tmp_path / "other", "-g", "-O1")
    stripped(other, tmp_path / "other.debug", link=False)
    server.held[name_of(path)] = debug
    with asking(debuginfod=True, cache=cache) as ask:
        opened = ask.open(other)
        assert (opened.has_debug_info, opened.unanswered) == (False, None)
        assert ask.chain(path, address) == CHAIN
    assert len(server.asked) == 2


def test_a_debug_file_of_another_program_is_not_used(server, parts, cache, tmp_path):
    path, _, _ = parts
    other = build(tmp_path / "other", "-g", "-O1")
    server.held[name_of(path)] = other.read_bytes()
    with asking(debuginfod=True, cache=cache) as ask:
        opened = ask.open(path)
        assert not opened.has_debug_info
        assert len(opened.refused) == 1


def test_after_a_refusal_no_server_is_asked_again(server, parts, cache, monkeypatch):
    path, _, debug = parts
    with socket.create_server(("127.0.0.1", 0)) as closed:
        monkeypatch.setenv("DEBUGINFOD_URLS", f"http://127.0.0.1:{closed.getsockname()[1]}")
    with asking(debuginfod=True, cache=cache) as ask:
        opened = ask.open(path)
        assert not opened.has_debug_info
        assert opened.unanswered
        ask.resolver.stop()
        server.held[name_of(path)] = debug
        monkeypatch.setenv("DEBUGINFOD_URLS", server.url)
        opened = ask.open(path)
        assert (opened.has_debug_info, opened.unanswered) == (False, None)
    assert server.asked == []


def test_a_server_that_never_answers_costs_its_time_once(server, parts, cache, monkeypatch):
    path, _, _ = parts
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("DEBUGINFOD_URLS", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with asking(debuginfod=True, cache=cache) as ask:
            began = time.monotonic()
            assert ask.open(path).unanswered
            assert time.monotonic() - began < 8
            began = time.monotonic()
            assert not ask.open(path).has_debug_info
            assert time.monotonic() - began < 0.5


def test_where_the_urls_come_from(monkeypatch):
    monkeypatch.setenv("DEBUGINFOD_URLS", " http://a\n http://b ")
    assert server_urls() == "http://a http://b"


def test_a_link_in_the_place_of_the_cache_is_not_followed(server, parts, cache, tmp_path):
    path, _, debug = parts
    server.held[name_of(path)] = debug
    (tmp_path / "victim").mkdir()
    before = (tmp_path / "victim").stat()
    cache.symlink_to(tmp_path / "victim")
    with asking(debuginfod=True, cache=cache) as ask:
        ask.open(path)
    assert (tmp_path / "victim").stat().st_uid == before.st_uid
    assert list((tmp_path / "victim").iterdir()) == []
