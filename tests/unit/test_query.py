"""What is typed to find sites, and that many are filtered as one is."""

from unittest.mock import Mock

import pytest

from ebpftrace.analysis.filtering import Filter
from ebpftrace.analysis.query import Query
from ebpftrace.analysis.wording import function
from ebpftrace.model.ids import Pid
from tests.unit.builders import counts, frame, picture, site, target

PUT = frame("app::Cache<int>::put(int)", file="/src/cache.cpp", module="/srv/app")
SSL = frame("SSL_new", module="/lib/libssl.so.3")
FOUND = """cache CACHE<INT>::put Cache<…>::put cache.cpp /srv/app ssl_new libssl malloc GLIBC (glibc)
    42 APP function:put function:SSL file:CACHE module:ssl pid:42 pid:042 allocator:glibc
    Function:put"""
NOT_FOUND = """function:cache.cpp file:put module:put pid:4 allocator:put allocator:42 SSL_free put(char)
    None"""
TYPED = 'cache !"a b" -module:lib pid:42 allocator:mal size>1M blocks<=3 age>=5m growth<-10k'


def found(text, *sites, now=12.0, **given):
    """Which sites match, one by one and together."""
    shown = picture(*sites, since_attach_s=now, **given)
    query = Query.parse(text)
    selected = Filter(query).select(shown)
    assert selected == [n for n, one in enumerate(sites) if query.matches(one, shown)]
    assert query.problem is None
    return selected


def is_found(text, *frames, now=12.0, **given):
    return found(text, site(frames=frames, **given), now=now) == [0]


def test_nothing_typed_finds_everything():
    assert found("", site(), site(frames=())) == [0, 1]
    assert found("  ", site()) == [0]


@pytest.mark.parametrize("word", FOUND.split())
def test_a_word_is_found_wherever_it_stands_and_denied_with_a_mark(word):
    assert is_found(word, PUT, SSL)
    assert not is_found(f"!{word}", PUT, SSL)
    assert not is_found(f"-{word}", PUT, SSL)


@pytest.mark.parametrize("word", NOT_FOUND.split())
def test_a_word_is_not_found_where_it_does_not_stand(word):
    assert not is_found(word, PUT, SSL)
    assert is_found(f"!{word}", PUT, SSL)


def test_all_parts_must_hold_in_any_frame():
    assert is_found("put SSL_new", PUT, SSL)
    assert not is_found("put SSL_free", PUT, SSL)
    assert not is_found("put SSL_new !libssl", PUT, SSL)


def test_a_name_of_cxx_is_no_field():
    assert is_found("file::open", frame("file::open()"))
    assert is_found("std::x", frame("std::x"))


def test_quotes_keep_blanks_and_signs():
    assert is_found('"operator new"', frame("operator new(unsigned long)"))
    assert is_found('function:"operator new"', frame("operator new(unsigned long)"))
    assert is_found('"-x', frame("a-x"))
    assert is_found('"malloc (glibc)"')
    assert is_found('"size>1"', frame("f<(size>1)>"))


@pytest.mark.parametrize(
    "text, holds",
    [
        ("size>99", True),
        ("size>100", False),
        ("size>=100", True),
        ("size=100", True),
        ("size<100", False),
        ("size<=100 blocks=2", True),
        ("size<64k", True),
        ("SIZE>0.1k", False),
        ("!size>100", True),
        ("blocks>1", True),
        ("-blocks>1", False),
        ("age>10s", True),
        ("age>10", True),
        ("age<500ms", False),
        ("age>5m", False),
        ("growth>119", True),
        ("growth>=121", False),
        ("growth=120", True),
        ("growth>-10k", True),
        ("growth<-10k", False),
    ],
)
def test_limits_are_of_what_a_site_holds(text, holds):
    here = site(counts=counts(blocks=2, size=100), oldest_at=1.5, growth=2.0)
    assert (found(text, here) == [0]) is holds


def test_what_is_not_known_is_within_no_limit():
    unknown = site(oldest_at=None, growth=None)
    for text in ("age>0", "age<10s", "age=0", "growth>0", "growth<=0"):
        assert found(text, unknown) == []
        assert found(f"!{text}", unknown) == [0]


def test_a_comm_is_looked_at_and_may_change():
    query = Filter(Query.parse("worker"))
    sites = site("f"), site("g", pid=Pid(43))
    targets = (target(), target(pid=Pid(43), comm="Worker/3"))
    assert query.select(picture(*sites, targets=targets)) == [1]
    assert query.select(picture(*sites)) == []


@pytest.mark.parametrize("length", range(len(TYPED) + 1))
def test_what_is_half_typed_never_raises(length):
    query = Query.parse(TYPED[:length])
    assert Filter(query).select(picture(site())) in ([], [0])


@pytest.mark.parametrize(
    "text",
    [
        *("!", "-", "size>", "size>x", "size>-1", "age>5x", "age>999999d", "blocks>1k"),
        *("growth>--1", "pid:", "pid:x", "file:", 'function:"'),
        "blocks>" + "9" * 5000,
        "size>" + "9" * 100_000,
    ],
)
def test_what_is_not_understood_is_named_and_left_out(text):
    query = Query.parse(f"leak {text}")
    assert query.problem is not None
    assert len(query.problem) < 160
    assert query.problem.endswith(".")
    assert (query.texts, query.limits) == Query.parse("leak")[:2]


def test_a_long_text_is_parsed_in_no_time():
    for text in ("x" * 100_000, '"' * 100_000, "! " * 50_000, "a:" * 50_000, "size>" * 20_000):
        Query.parse(text)


def test_a_second_picture_looks_at_no_frame_again(monkeypatch):
    looked = Mock(side_effect=function)
    monkeypatch.setattr("ebpftrace.analysis.query.function", looked)
    many = Filter(Query.parse("zzz"))
    for size in (1, 2):
        many.select(picture(site(frames=(PUT, SSL), counts=counts(size=size))))
    for _ in range(2):
        many.select(picture(site(frames=(PUT,)), site(frames=(SSL, PUT))))
    assert [call.args for call in looked.call_args_list] == [(PUT,), (SSL,)]


def test_what_is_learned_about_a_stack_is_looked_at():
    many = Filter(Query.parse("put size>1"))
    assert many.select(picture(site(frames=()), site(frames=(PUT,)))) == [1]
    assert many.select(picture(site(frames=(PUT,)), site(frames=()), site(frames=(PUT,)))) == [0, 2]


@pytest.mark.parametrize(
    "before, text",
    [
        ("ca", "cac"),
        ("c", "!cac"),
        ("!ca", "!cac"),
        ("cac", "ca"),
        ("pid:4", "pid:42"),
        ("file:c", "function:ca"),
        ("ca", "ca ssl size>1"),
        ("ca ssl", "cac"),
        ("size>1k", "size>10"),
        ("", "ca"),
    ],
)
def test_going_on_from_what_was_typed_before_finds_the_same(before, text):
    sites = [site(frames=frames) for frames in ((PUT,), (SSL,), (PUT, SSL), (), (frame("cab"),))]
    shown = picture(*sites)
    first = Filter(Query.parse(before))
    first.select(shown)
    for where in (shown, picture(*sites[1:], site("cac"))):
        expected = Filter(Query.parse(text)).select(where)
        assert Filter(Query.parse(text), first).select(where) == expected


def test_what_was_selected_may_be_changed_by_who_asked():
    many = Filter(Query.parse("leak"))
    many.select(picture(site())).clear()
    assert many.select(picture(site())) == [0]
