"""Patterns with `*` and `?`."""

import re
from fnmatch import translate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebpftrace.analysis.globs import Glob, Globs

LONG = 100_000


@settings(max_examples=400, deadline=None)
@given(st.text("ab*?", max_size=12), st.text("ab\n", max_size=14))
def test_a_pattern_matches_what_fnmatch_says(pattern, text):
    expected = re.fullmatch(translate(pattern), text) is not None
    assert Glob(pattern).matches(text) is expected
    globs = Globs()
    globs.add(pattern, 7)
    assert globs.of(text) == ({7} if expected else set())


@pytest.mark.parametrize("pattern,text", [("f[1]", "f[1]"), ("a.b", "a.b"), ("a\\*", "a\\b")])
def test_no_other_sign_means_anything(pattern, text):
    assert Glob(pattern).matches(text)
    assert not Glob(pattern).matches("f1")


def test_a_question_mark_may_be_one():
    assert Glob("a?*", single=None).matches("a?b")
    assert not Glob("a?*", single=None).matches("axb")


def test_every_pattern_that_matches_is_found_whatever_it_begins_with():
    globs = Globs()
    patterns = ["put", "p*", "*t", "?ut", "*", "put*put", "get", "operator_of_a_very_long_name*"]
    for number, pattern in enumerate(patterns):
        globs.add(pattern, number)
    assert globs.of("put") == {0, 1, 2, 3, 4}
    assert globs.of("operator_of_a_very_long_name_too") == {4, 7}
    assert globs.of("") == {4}


@pytest.mark.parametrize(
    "pattern",
    [
        "a*" * 500 + "b",
        "*a" * 500 + "bb*",
        "a?" * 15 + "*b",
        "*" + "a?" * 15 + "b*",
        "?" * 64 + "*b",
    ],
)
@pytest.mark.timeout(20)  # where a star is tried at every place of the one before it: for ever
def test_no_pattern_takes_long_however_long_the_name(pattern):
    assert not Glob(pattern).matches("a" * LONG)
    assert not Glob(pattern).matches("ab" * (LONG // 2) + "c")
