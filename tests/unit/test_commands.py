"""Every command once, and that bindings, help, footer and palette can be made of it."""

import inspect

import pytest
from textual.binding import Binding

from ebpftrace.analysis.query import Query
from ebpftrace.analysis.selection import SORT_KEYS
from ebpftrace.model.ids import Pid
from ebpftrace.model.losses import Losses
from ebpftrace.model.picture import Cost, Naming
from ebpftrace.tui.actions import Actions
from ebpftrace.tui.app import Dashboard
from ebpftrace.tui.commands import COMMANDS, FILTERS, MOVES, SECTIONS
from ebpftrace.tui.flame import Flame
from ebpftrace.tui.guide import guide_lines, keys_of
from ebpftrace.tui.table import Table
from ebpftrace.tui.view import KINDS
from tests.unit.builders import picture, target
from tests.unit.texts import texts


def keys(command):
    return command.keys.split(",")


def name_of(action):
    return action.partition("(")[0]


def arguments(action):
    given = action.partition("(")[2].removesuffix(")")
    return [part.strip("'") for part in given.split(",")] if given else []


def guide(drawn=None, notes=(), width=200):
    return texts(guide_lines(drawn or picture(), notes, width))


def test_no_key_does_two_things():
    known = [key for command in COMMANDS for key in keys(command)]
    assert len(known) == len(set(known))


def test_no_key_of_the_dashboard_moves_the_cursor():
    bindings = [one for one in (*Table.BINDINGS, *Flame.BINDINGS) if isinstance(one, Binding)]
    moves = {key for one in bindings for key in one.key.split(",")}
    assert {"up", "k", "left", "home", "space"} <= moves
    assert not moves & {key for command in COMMANDS for key in keys(command)}


def test_no_two_commands_have_one_name_or_do_the_same():
    for what in ("title", "action"):
        known = [getattr(command, what) for command in COMMANDS]
        assert len(known) == len(set(known))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.action)
def test_what_a_command_calls_is_there_and_takes_what_it_is_given(command):
    action = getattr(Dashboard, f"action_{name_of(command.action)}")
    inspect.signature(action).bind(None, *arguments(command.action))


def test_every_action_has_a_command():
    known = {name_of(command.action) for command in COMMANDS}
    assert {name[7:] for name in vars(Actions) if name.startswith("action_")} <= known


def test_there_is_a_command_for_every_view_and_every_order():
    known = {command.action for command in COMMANDS}
    assert {f"view('{kind}')" for kind in KINDS} <= known
    assert {f"sort('{key}')" for key in SORT_KEYS} <= known


def test_the_footer_fits_the_narrowest_ordinary_terminal():
    """Each is a key, a blank, a word and a blank, as Textual's compact footer draws it."""
    shown = [f"{keys_of(keys(one)[0])} {one.brief} " for one in COMMANDS if one.brief]
    assert len("".join(shown)) <= 80
    assert shown[0] == "q quit "


def test_keys_are_named_as_people_say_them():
    assert keys_of("question_mark,h,f1") == "? h f1"
    assert keys_of("full_stop") == "."
    for command in COMMANDS:
        assert "_" not in keys_of(command.keys)


# --- the help -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.action)
def test_the_help_lists_every_command_with_its_keys(command):
    says = f"{command.title}: {command.help}"
    (row,) = [row for row in guide() if row.endswith(says)]
    assert row == f"  {keys_of(command.keys):<25} {says}"


def test_the_help_lists_every_section_every_move_and_how_filters_are_written():
    said = guide()
    for words in [section.title for section in SECTIONS]:
        assert words in said
    for left, right in (*MOVES, *FILTERS):
        assert f"  {left:<25} {right}" in said


def test_the_filters_of_the_help_are_understood():
    for example, _ in FILTERS:
        assert Query.parse(example).problem is None


def test_a_line_of_the_help_is_no_wider_than_the_narrowest_ordinary_terminal():
    too_wide = [row for row in guide(width=78) if len(row) > 78]
    assert too_wide == []


def test_there_is_help_before_there_is_a_picture():
    said = texts(guide_lines(None, (), 80))
    assert "Targets" not in said
    assert said[-2:] == ["Notes", "  none"]


def test_the_help_has_every_loss_with_its_sentence_every_target_and_every_note():
    losses = Losses({"blocks_full": 3, "unmatched_free": 2})
    targets = tuple(target(pid=Pid(n)) for n in range(20))
    said = "\n".join(guide(picture(losses=losses, targets=targets), ("no probe on foo",)))
    assert "blocks_full 3: allocations not tracked: the block map is full; raise" in said
    assert "unmatched_free 2: frees of blocks from before the attach" in said
    assert "(pid 19)" in said
    assert "no probe on foo" in said


def test_the_help_says_what_each_map_is_full_of_and_that_nothing_is_lost():
    said = guide(picture(cost=Cost(map_fill_percent={"blocks": 12.34})))
    assert "  the map of blocks is 12.3 % full" in said
    assert said[said.index("Lost") + 1] == "  nothing"


def test_the_help_has_what_keeps_code_without_lines_once():
    said = guide(picture(naming=Naming(notes=("libx.so has no debug file",) * 2)))
    assert said[-2:] == ["Notes", "  libx.so has no debug file"]
