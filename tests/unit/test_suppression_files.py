"""Files of suppressions: what is taken, what is told, and what is refused in a sentence."""

import os

import pytest

from ebpftrace.analysis import suppression_files
from ebpftrace.analysis.suppression_files import Line
from ebpftrace.errors import UsageError

NAMES = {
    "_ZN3app5Cache3putEi": "app::Cache::put(int)",
    "_Znwm": "operator new(unsigned long)",
    "_Znam": "operator new[](unsigned long)",
}
BOTH = """
# what our crypto library keeps until the end
{
   once-per-process tables
   Memcheck:Leak
   match-leak-kinds: reachable,possible
   fun:malloc
   fun:CRYPTO_*
   ...
   obj:*/libcrypto.so.?
   src:main.c:12
   src:*.cpp
}
leak:^app::registry
  leak:libfoo.so$
"""


@pytest.fixture(name="read")
def reading(tmp_path):
    def read(text, demangled=lambda name: NAMES.get(name, name)):
        file = tmp_path / "app.supp"
        if isinstance(text, bytes):
            file.write_bytes(text)
        else:
            file.write_text(text)
        return suppression_files.read(str(file), demangled)

    return read


@pytest.fixture(name="refused")
def refusing(read, tmp_path):
    def refused(text):
        with pytest.raises(UsageError) as raised:
            read(text)
        said = str(raised.value)
        assert str(tmp_path / "app.supp") in said
        assert "\n" not in said
        return said

    return refused


def block(*frames, kind="Memcheck:Leak", name="mine"):
    return "\n".join(["{", name, kind, *frames, "}", ""])


def first(found):
    return found.suppressions[0].lines[0]


def test_both_syntaxes_may_stand_in_one_file(read):
    crypto, registry, library = read(BOTH).suppressions
    assert crypto.name == "once-per-process tables"
    assert crypto.lines == (
        Line("fun", "malloc"),
        Line("fun", "CRYPTO_*"),
        Line("..."),
        Line("obj", "*/libcrypto.so.?"),
        Line("src", "main.c", 12),
        Line("src", "*.cpp"),
    )
    assert registry == ("leak:^app::registry", (Line("leak", "app::registry*"),))
    assert library == ("leak:libfoo.so$", (Line("leak", "*libfoo.so"),))


def test_a_file_of_another_system_is_the_same_file(read):
    other = b"\xef\xbb\xbf" + BOTH.replace("\n", "\r\n").encode()
    assert read(other).suppressions == read(BOTH).suppressions


def test_what_cannot_be_printed_is_made_as_names_of_targets_are(read):
    assert first(read(block("fun:caf\u202e\x1b"))).pattern == "caf··"
    assert first(read(block("fun:x").encode() + b"# caf\xe9\n")).pattern == "x"


# --- names ----------------------------------------------------------------------------------------


def test_a_mangled_name_is_also_meant_in_the_words_of_its_source(read):
    line = first(read(block("fun:_ZN3app5Cache3putEi")))
    assert line == Line("fun", "_ZN3app5Cache3putEi", names=("app::Cache::put(int)",))


@pytest.mark.parametrize(
    "pattern,names",
    [
        ("_Znw*", ["operator new(unsigned long)"]),
        ("_Zn?m", ["operator new(unsigned long)", "operator new[](unsigned long)"]),
    ],
)
def test_operator_new_is_meant_by_a_mangled_pattern_too(read, pattern, names):
    found = read(block(f"fun:{pattern}"))
    assert set(names) <= set(first(found).names)
    assert not found.notes


def test_other_mangled_patterns_are_told_as_never_matching(read):
    (note,) = read(block("fun:malloc", "fun:_ZN2QT*", "fun:_Z*")).notes
    assert "_ZN2QT* in line 5, _Z* in line 6" in note
    assert note.endswith("Write them as fun:space::function*.")


def test_where_no_name_is_demangled_nothing_is_said_of_it(read):
    assert read(block("fun:_ZN2QT*"), demangled=lambda name: name).notes == ()


@pytest.mark.parametrize(
    "written",
    ["dlopen@@GLIBC_2.2.5", "dlopen@*", "dlopen@@GLIBC_2.?", "dlopen.part.0", "dlopen.isra.0.cold"],
)
def test_versions_and_copies_are_of_the_same_function(read, written):
    assert first(read(block(f"fun:{written}"))).pattern == "dlopen"


# --- what is told ---------------------------------------------------------------------------------


def test_other_kinds_of_errors_and_tools_are_counted_and_passed_over(read):
    found = read(
        block("sendmsg(msg)", "fun:sendmsg", kind="Memcheck:Param")
        + block("fun:f", kind="Helgrind:Race")
        + block("fun:f", kind="Addrcheck,Memcheck:Leak")
        + "race:x\ninterceptor_via_fun:y\nvptr_check:z\nrace:w\n"
    )
    assert len(found.suppressions) == 1
    (note,) = found.notes
    assert "6 suppressions of other kinds (race, Memcheck:Param, Helgrind:Race" in note
    assert "are passed over" in note


def test_leak_kinds_are_taken_for_all_and_that_is_told_once(read):
    two = block("match-leak-kinds: definite", "fun:f") * 2
    (note,) = read(two).notes
    assert "match-leak-kinds is taken for all" in note


@pytest.mark.parametrize("text", ["", "# nothing yet\n\n", "race:x\n"])
def test_a_file_without_suppressions_of_leaks_hides_nothing_and_says_so(read, text):
    found = read(text)
    assert found.suppressions == ()
    assert "nothing is hidden by it" in found.notes[-1]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text,line,says",
    [
        ("{\n mine\n Memcheck:Leak\n fun:f\n", 1, "never closed"),
        ("\n" + block("fun:f").replace("}", "") + block("fun:g"), 2, "never closed"),
        ("{\n mine\n Memcheck:Cond\n fun:f\n", 1, "never closed"),
        (block(), 1, "names no frame"),
        (block("...", "..."), 1, "names no frame"),
        (block("fun:f", "call:g"), 5, "is no frame"),
        (block("fun:"), 4, "is no frame"),
        (block("fun:f", kind="Leak"), 1, "a name and then a kind"),
        ("{\n}\n", 1, "a name and then a kind"),
        (block(*["fun:f"] * 128), 1, "more than 127 frames"),
        (block("fun:" + "?" * 65), 4, "question marks"),
        ("# ok\nfun:malloc\n", 2, "begins no suppression"),
        ("root:x:0:0:root\n", 1, "begins no suppression"),
        ("host\n", 1, "begins no suppression"),
        ("leak:\n", 1, "names nothing"),
        ("leak:^$\n", 1, "names nothing"),
        ("leak:" + "x" * 9000, 1, "longer than"),
        ("leak:x\n" * 10_001, 10_001, "more than 10000 suppressions"),
    ],
)
def test_what_is_no_suppression_is_said_with_its_line(refused, text, line, says):
    said = refused(text)
    assert f"line {line}: " in said
    assert says in said


def test_what_is_quoted_is_short_and_clean(refused):
    said = refused("\x1b[31m" + "y" * 5000)
    assert "\x1b" not in said
    assert len(said) < 400


def test_a_binary_file_is_no_list(refused):
    assert "zero byte in line 2" in refused(b"leak:x\n\x7fELF\0\0")


def test_a_file_that_is_too_large_is_not_read(refused):
    assert "larger than 16 MB" in refused(b"#" * ((16 << 20) + 1))


def test_what_is_no_file_is_refused_at_once(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (str(pipe), str(tmp_path), "/dev/zero", str(tmp_path / "none"), "a\0b"):
        with pytest.raises(UsageError) as raised:
            suppression_files.read(path, str)
        assert path in str(raised.value) or "a\\x00b" in str(raised.value)
