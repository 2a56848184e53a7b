import pytest

from ebpftrace.model.frames import Frame
from ebpftrace.symbols.again_frames import Known, Renaming, call_of, groups, improved
from ebpftrace.symbols.file_lines import Line
from ebpftrace.symbols.locations import Location
from tests.unit.builders import frame


def line(function: str | None, row: int = 1, file: str | None = "/a.c") -> Line:
    return Line(Location(function, file, row, None), None)


def names(frames: tuple[Frame, ...]) -> list[str | None]:
    return [one.function for one in frames]


def test_a_call_is_looked_up_before_its_return_address():
    assert call_of(frame(None, offset=0x1235)) == 0x1234


@pytest.mark.parametrize(
    "given",
    [
        {"module": "[vdso]"},
        {"module": "[JIT]"},
        {"module": None},
        {"offset": None},
        {"offset": 0},
        {"offset": -5},
        {"offset": 1 << 64},
        {"inlined": True},
        {"file": "/a.c"},
    ],
)
def test_what_no_file_says_more_of_is_not_looked_up(given):
    assert call_of(frame("f", **given)) is None


def test_a_frame_with_a_line_and_without_a_name_is_looked_up():
    assert call_of(frame(None, file="/a.c")) is not None


def test_a_group_is_what_is_inlined_at_one_place_and_what_has_the_code():
    inner, outer = frame("i", inlined=True), frame("o")
    other = frame("p", offset=1, address=1)
    lost = frame("l", inlined=True, address=5)
    assert list(groups([inner, outer, other])) == [(inner, outer), (other,)]
    assert list(groups([other, inner, inner, outer])) == [(other,), (inner, inner, outer)]
    assert list(groups([lost, outer, inner])) == [(lost,), (outer,), (inner,)]
    assert list(groups([])) == []


def test_lines_take_the_place_of_a_frame_without_any():
    inner, outer = improved((frame(None),), Known("run.cold", (line("take", 3), line("run", 9))))
    assert (inner.function, inner.line, inner.inlined) == ("take", 3, True)
    assert (outer.function, outer.line, outer.inlined) == ("run.cold", 9, False)
    assert inner.offset == outer.offset == frame(None).offset


def test_a_name_alone_is_for_a_frame_without_one_only():
    known = Known("malloc", ())
    assert names(improved((frame(None),), known)) == ["malloc"]
    group = (frame("__libc_malloc"),)
    assert improved(group, known) is group
    assert improved((frame(None),), Known(None, ()))[0] == frame(None)


def test_a_frame_with_a_line_only_gets_a_name_and_keeps_its_line():
    (better,) = improved((frame(None, file="/a.c", line=7),), Known("f", ()))
    assert (better.function, better.line) == ("f", 7)


def test_a_symbol_of_the_debug_file_is_more_than_what_was_left_on_the_host():
    assert names(improved((frame("exported"),), Known("inner", (line("x"),)))) == ["inner"]
    assert names(improved((frame("exported"),), Known(None, (line("x"),)))) == ["exported"]


def test_nothing_that_was_known_is_lost():
    inner = frame("i", inlined=True)
    group = (inner, frame(None))
    assert improved(group, Known("o", (line("o"),))) is group, "the inlined one would go"
    assert names(improved(group, Known("o", (line("j"), line("o"))))) == ["j", "o"]
    single = (frame(None, file="/a.c"),)
    assert improved(single, Known("f", (line("f", file=None),))) is single


def test_stacks_share_what_takes_the_place_of_a_frame():
    raw, good = frame(None), frame("main", file="/a.c")
    renaming = Renaming({id(raw): Known("f", (line("i"), line("f")))})
    one, two = renaming.renamed((raw, good)), renaming.renamed((raw,))
    assert names(one) == ["i", "f", "main"]
    assert one[0] is two[0]
    assert one[1] is two[1]
    same = (good,)
    assert renaming.renamed(same) is same


def test_equal_frames_that_were_made_anew_become_the_same():
    one, two = frame(None), frame(None)
    about = Known("f", (line("f"),))
    renaming = Renaming({id(one): about, id(two): about})
    assert renaming.renamed((one,))[0] is renaming.renamed((two,))[0]
    nothing = Renaming({id(one): Known(None, ()), id(two): Known(None, ())})
    for stack in ((one,), (two,)):
        assert nothing.renamed(stack) is stack
