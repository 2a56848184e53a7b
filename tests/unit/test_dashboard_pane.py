"""What the dashboard's pane says: of one site and its stack, and as help."""

from ebpftrace.analysis.responsible import Rules
from ebpftrace.model.ids import Pid
from ebpftrace.model.losses import Losses
from ebpftrace.model.picture import Naming
from ebpftrace.tui.glyphs import ASCII
from ebpftrace.tui.guide import guide_lines
from ebpftrace.tui.stack import nothing_lines, stack_lines
from tests.unit.builders import frame, picture, site, target
from tests.unit.test_dashboard_text import texts

RULES = Rules.standard()


def test_the_whole_stack_is_there_and_how_it_ends():
    frames = tuple(frame(f"f{n}") for n in range(127))
    said = texts(
        stack_lines(site(frames=frames, complete=False, end="truncated"), picture(), RULES, 80)
    )
    assert "  f126  [app]" in said
    assert "deeper than --stack-depth" in said[-1]


def test_a_long_name_is_wrapped_and_a_monstrous_one_cut():
    said = texts(stack_lines(site(frames=(frame("x" * 150),)), picture(), RULES, 80))
    assert said[2:] == ["▸ " + "x" * 78, "    " + "x" * 72, "    [app]"]
    assert len(texts(stack_lines(site(frames=(frame("x" * 100_000),)), picture(), RULES, 80))) < 10


def test_names_are_as_wide_as_they_are_drawn():
    said = texts(stack_lines(site(frames=(frame("名" * 39),)), picture(), RULES, 80))
    assert said[2:] == ["▸ " + "名" * 39, "    [app]"]


def test_the_responsible_frame_is_marked_and_its_source_stands_below_it():
    frames = (
        frame("allocate", file="/usr/include/c++/13/bits/alloc.h", line=9, inlined=True),
        frame("serve", file="/src/serve.c", line=42, source="p = malloc(n);"),
        frame("main", source="serve();"),
    )
    said = list(stack_lines(site(frames=frames), picture(), RULES, 80))
    assert texts(said)[2:] == [
        "  allocate  /usr/include/c++/13/bits/alloc.h:9  [app]  (inlined)",
        "▸ serve  /src/serve.c:42  [app]",
        "    │ p = malloc(n);",
        "  main  [app]",
    ]
    assert [line[0].role for line in said[2:]] == ["plain", "strong", "plain", "plain"]


def test_the_marks_of_a_stack_have_signs_in_ascii():
    assert ASCII.safe("▸ │", 9) == "> |"


def test_a_line_of_source_without_an_end_takes_two_lines():
    one = site(frames=(frame("serve", source="x" * 100_000),))
    said = texts(stack_lines(one, picture(), RULES, 80))
    assert len(said) == 5
    assert all(line.startswith("    │ x") for line in said[3:])


def test_a_pane_without_a_site_says_why():
    assert texts(nothing_lines(picture())) == ["no allocation since the attach"]
    assert texts(nothing_lines(picture(site()))) == ["no site holds anything"]


def test_the_help_has_every_loss_with_its_sentence_every_target_and_every_note():
    losses = Losses({"blocks_full": 3, "unmatched_free": 2})
    targets = tuple(target(pid=Pid(n)) for n in range(20))
    drawn = picture(losses=losses, targets=targets)
    said = "\n".join(texts(guide_lines(drawn, ("no probe on foo",), 100)))
    assert "blocks_full 3: allocations not tracked: the block map is full; raise" in said
    assert "unmatched_free 2: frees of blocks from before the attach" in said
    assert "(pid 19)" in said
    assert "no probe on foo" in said


def test_the_help_has_what_keeps_code_without_lines_once():
    drawn = picture(naming=Naming(notes=("libx.so has no debug file",) * 2))
    said = texts(guide_lines(drawn, (), 100))
    assert said[-1] == "  libx.so has no debug file"
    assert said[-2] == "Notes"
