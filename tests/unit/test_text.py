"""Names from a target are printable, and nothing more is done to them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpftrace.text import clean


@pytest.mark.parametrize(
    "name", ["f[abi:cxx11]", "[vdso]", "x[/]y", "operator new[]", "naïve", "日本"]
)
def test_what_looks_like_markup_stays_as_it_is(name: str) -> None:
    assert clean(name) == name


@pytest.mark.parametrize(
    "bad", ["\x1b[31m", "\x9b31m", "\n", "\r", "\0", "\u202e", "\u200b", "\ud800"]
)
def test_what_is_invisible_becomes_visible(bad: str) -> None:
    assert clean(f"a{bad}b").startswith("a·")


def test_bytes_that_are_no_text_become_visible() -> None:
    assert clean(b"a\xff\xfeb") == "a··b"


@given(st.one_of(st.text(), st.binary()))
def test_nothing_that_a_terminal_acts_on_is_left(name: str | bytes) -> None:
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in clean(name))
