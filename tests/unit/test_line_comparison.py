"""How `scripts/compare-lines` reads other tools, and what it calls a difference."""

import pytest

from scripts.naming import pcs
from scripts.naming.differences import (
    ALIAS,
    ARTIFICIAL,
    CHAIN,
    FILE,
    INTERNAL,
    LAMBDA,
    LESS,
    LINE,
    MANGLED,
    MORE,
    NAME,
    NO_CHAIN,
    NO_NAME,
    OUR_LINE_0,
    OUR_NO_NAME,
    OUR_SCOPE,
    PART,
    PLT,
    SCOPE,
    STRING,
    WHOLE,
    Comparison,
    of_functions,
    report,
)
from scripts.naming.other_tools import Chain, Place, read_addr2line, read_llvm
from scripts.naming.spelling import bare, same_file, spelled, whole

STRING_NAME = "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >"

LLVM = """\
{"Address":"0x10","ModuleName":"a","Symbol":[\
{"Column":3,"Discriminator":0,"FileName":"/s/a.c","FunctionName":"inner","Line":5,"StartLine":1},\
{"Column":1,"Discriminator":0,"FileName":"/s/a.c","FunctionName":"outer","Line":9,"StartLine":8}]}
{"Address":"0x20","ModuleName":"a","Symbol":[\
{"Column":0,"FileName":"","FunctionName":"start","Line":0}]}
{"Address":"0x30","ModuleName":"a","Symbol":[{"Column":0,"FileName":"","FunctionName":"","Line":0}]}
"""

ADDR2LINE = """\
0x0000000000000010
inner
/s/a.c:5 (discriminator 2)
outer
/s/a.c:9
0x0000000000000020
start
crtstuff.c:?
0x0000000000000030
??
??:0
"""

ELFUTILS = ADDR2LINE.replace("inner\n", "inner inlined at /s/a.c:9 in outer\n", 1).replace(
    "a.c:5 (discriminator 2)", "a.c:5:3"
)


def test_llvm_symbolizer_is_read():
    assert read_llvm(LLVM, (0x10, 0x20, 0x30)) == [
        (Place("inner", "/s/a.c", 5), Place("outer", "/s/a.c", 9)),
        (Place("start", None, None),),
        (),
    ]


@pytest.mark.parametrize("text", [ADDR2LINE, ELFUTILS], ids=["binutils", "elfutils"])
def test_both_addr2lines_are_read(text):
    assert read_addr2line(text, (0x10, 0x20, 0x30)) == [
        (Place("inner", "/s/a.c", 5), Place("outer", "/s/a.c", 9)),
        (Place("start", "crtstuff.c", None),),
        (),
    ]


DISASSEMBLY = """\

Disassembly of section .text:

0000000000001040 <main>:
    1040:\tsub    $0x8,%rsp
    1044:\tcall   1030 <puts@plt>
    1049:\tbnd call *%rax
    104c:\txor    %eax,%eax
    104e:\tcall   1030 <abort@plt>

0000000000001060 <next>:
    1060:\tret
"""


def test_places_of_calls_are_one_before_their_return_addresses():
    assert list(pcs.calls(DISASSEMBLY.splitlines())) == [0x1048, 0x104B]


def test_places_of_any_kind_are_instructions():
    found = list(pcs.instructions(DISASSEMBLY.splitlines()))
    assert found == [0x1040, 0x1044, 0x1049, 0x104C, 0x104E, 0x1060]


@pytest.mark.parametrize(
    "ours, theirs",
    [
        ("f(std::vector<int, std::allocator<int> >)", "f(std::vector<int,std::allocator<int>>)"),
        ("app::(anonymous namespace)::make", "app::{anonymous}::make"),
        ("titled[abi:tagged](int)", "titled(int)"),
        ("at<5ul>()", "at<5>()"),
        (
            "main::{lambda(int)#1}::operator()(int) const",
            "main::'lambda'(int)::operator()(int) const",
        ),
        ("main::{lambda(auto:1)#3}::f", "main::'lambda1'(auto)::f"),
        ("<a::B<T> as c::D>::e", "_$LT$a..B$LT$T$GT$$u20$as$u20$c..D$GT$::e::h0123456789abcdef"),
    ],
    ids=["blanks", "anonymous", "ABI tag", "literal", "lambda", "generic lambda", "Rust"],
)
def test_what_is_spelling_only_is_the_same(ours, theirs):
    assert spelled(ours) == spelled(theirs)


@pytest.mark.parametrize(
    "ours, theirs",
    [("f(int)", "f(long)"), ("at<5>()", "at<6>()"), ("a::f", "b::f"), ("f1", "f1l"), ("x2", "x2u")],
)
def test_what_is_substance_is_not(ours, theirs):
    assert spelled(ours) != spelled(theirs)


@pytest.mark.parametrize(
    "name, last",
    [
        ("void app::f<int>(a::b) const", "f"),
        ("app::registry::operator<<(int)", "operator<<"),
        ("std::map<a, b>::operator[](a const&)", "operator[]"),
        ("a::~a()", "~a"),
        ("main", "main"),
    ],
)
def test_the_bare_name_is_the_last_component(name, last):
    assert bare(spelled(name)) == last


@pytest.mark.parametrize(
    "name", ["f.cold", "f.lto_priv.0.cold", "f [clone .isra.0] [clone .cold]", "f (.part.0)"]
)
def test_a_part_of_a_function_belongs_to_the_whole(name):
    assert whole(spelled(name)) == "f"


@pytest.mark.parametrize(
    "ours, theirs, same",
    [
        ("../Objects/a.c", "/build/static/../Objects/a.c", True),
        ("./libio/a.c", "./libio/./libio/a.c", True),
        ("/usr/include/x.h", "/usr/include/x.h", True),
        ("a.c", "ba.c", False),
        ("/one/a.c", "/other/a.c", False),
        (None, None, True),
        (None, "a.c", False),
    ],
)
def test_a_file_may_be_told_without_the_compilations_directory(ours, theirs, same):
    assert same_file(ours, theirs) is same


def place(function: str | None = "f", file: str | None = "/a.c", line: int | None = 1) -> Place:
    return Place(function, file, line)


@pytest.mark.parametrize(
    "ours, theirs, expected",
    [
        ("f", "f", None),
        (f"f({STRING_NAME})", "f(std::string)", STRING),
        ("f.cold", "f", PART),
        ("app::f(int)", "f", SCOPE),
        ("f", "app::f(int)", OUR_SCOPE),
        ("f", "g", NAME),
        ("f", None, NO_NAME),
        (None, "f", OUR_NO_NAME),
        ("calloc", "__libc_calloc", ALIAS),
        ("wordfree", "__GI_wordfree", INTERNAL),
        ("std::swap(a&)", "_ZSt4swapRa", MANGLED),
        ("free@plt", "_init", PLT),
        ("f<{lambda()#1}>(a)", "f<'lambda'()>('lambda'()) (.isra.0)", LAMBDA),
    ],
)
def test_each_difference_of_names_has_a_class(ours, theirs, expected):
    aliases = {"calloc", "__libc_calloc"}
    assert of_functions(place(ours), place(theirs), aliases) == expected


def compared(ours: Chain, theirs: Chain) -> Comparison:
    found = Comparison()
    found.add(0x10, ours, theirs, lambda _: ())
    return found


INNER, OUTER = place("inner", line=5), place("outer", line=9)


@pytest.mark.parametrize(
    "ours, theirs, expected",
    [
        ((INNER, OUTER), (OUTER,), {MORE}),
        ((OUTER,), (INNER, OUTER), {LESS}),
        ((OUTER,), (INNER, place("other")), {CHAIN}),
        ((OUTER,), (), {NO_CHAIN}),
        ((OUTER,), (place("outer", line=8),), {LINE}),
        ((OUTER,), (place("outer", "/b.c", 9),), {FILE}),
        ((OUTER,), (place("outer", "/<artificial>", 9),), {ARTIFICIAL}),
        ((place("f", None, None),), (place("f", "crtstuff.c", None),), {OUR_LINE_0}),
        ((INNER, OUTER), (place("outer", line=5), OUTER), {WHOLE}),
        ((INNER, OUTER), (INNER, OUTER), set()),
    ],
)
def test_each_difference_of_chains_has_a_class(ours, theirs, expected):
    assert set(compared(ours, theirs).classes) == expected


def test_frames_that_one_leaves_out_do_not_shift_the_others():
    found = compared((INNER, OUTER), (OUTER,))
    assert (found.frames, found.functions, found.files, found.lines) == (1, 1, 1, 1)
    assert found.chains == 0


def test_a_name_that_only_says_more_leaves_the_chain_the_same():
    found = compared((place("app::f()"),), (place("f"),))
    assert (found.functions, found.functions_finer, found.chains) == (0, 1, 1)
    assert found.cells() == ("1", "1", "0.0", "100.0", "100.0", "100.0", "100.0")


def test_a_program_without_places_has_no_shares():
    assert set(Comparison().cells()[2:]) == {"-"}


def test_every_difference_is_told_with_both_chains():
    text = "\n".join(report(compared((INNER, OUTER), ()).differences, "addr2line"))
    assert text.startswith(f"0x10: {NO_CHAIN}")
    assert "ebpftrace: inner /a.c:5" in text
    assert "addr2line: nothing" in text
