"""The honesty line: losses first, then what the numbers rest on."""

import pytest

from ebpftrace.model.losses import LOSSES, UNDETECTED, Losses
from ebpftrace.model.picture import Cost, Counts, Naming
from ebpftrace.tui.status import status_lines
from tests.unit.builders import picture
from tests.unit.texts import texts

FAULTS = {loss.name: 7 for loss in LOSSES if loss.fault and loss.name not in UNDETECTED}
FACTS = {loss.name: 7 for loss in LOSSES if not loss.fault}


def status(width=100, most=5, **given):
    return texts(status_lines(picture(**given), width, most))


def test_a_good_day_says_that_nothing_was_lost():
    (label, *_) = status_lines(picture(), 100, 5)[0]
    assert (label.text, label.role) == ("lost nothing", "good")


def test_a_fact_stands_beside_and_is_no_loss():
    said = " ".join(status(200, losses=Losses({"unmatched_free": 1234})))
    assert said.startswith("lost nothing  mode full  ")
    assert "unmatched_free 1 234" in said


def test_every_loss_has_its_name_and_count_on_the_screen():
    given = {**FAULTS, **FACTS}
    said = " ".join(status(250, 5, losses=Losses(given)))
    assert said.startswith("LOST  ")
    assert "nothing" not in said
    for name in given:
        assert f"{name} 7" in said


def test_a_loss_is_an_alarm_and_a_fact_is_not():
    rows = status_lines(picture(losses=Losses({**FAULTS, **FACTS})), 250, 5)
    roles = {span.text.split()[0]: span.role for row in rows for span in row if span.text.strip()}
    assert {roles[name] for name in ("LOST", *FAULTS)} == {"alarm"}
    assert {roles[name] for name in FACTS} == {"plain"}


@pytest.mark.parametrize("width", [20, 40, 80])
@pytest.mark.parametrize("most", [1, 2, 4])
def test_losses_that_find_no_room_are_counted(width, most):
    said = status(width, most, losses=Losses({loss.name: 7 for loss in LOSSES}))
    assert len(said) <= most
    assert said[0].startswith("LOST  blocks_full 7")
    assert "(?)" in said[-1]
    assert width < 40 or all(len(row) <= width for row in said)


def test_there_are_never_more_than_four_lines_however_much_there_is_to_say():
    assert len(status(30, 70, losses=Losses({**FAULTS, **FACTS}))) == 4


def test_a_map_that_is_nearly_full_is_named():
    cost = Cost(hits_per_s=5.0, map_fill_percent={"blocks": 93.0, "stacks": 2.0})
    said = "\n".join(status(cost=cost))
    assert "the map of blocks is 93 % full" in said
    assert "the map of stacks" not in said
    assert "maps " not in said
    assert "5 probe hits/s" in said


def test_maps_with_room_are_one_figure_that_of_the_fullest():
    cost = Cost(map_fill_percent={"blocks": 1.25, "stacks": 20.0})
    assert "maps 20.0 % full" in "\n".join(status(cost=cost))
    assert "maps" not in "\n".join(status())


def test_how_whole_the_stacks_are_is_said():
    assert "stacks no stack yet" in status()[0]
    totals = Counts(100, 100, 0, 0, 0, 0)
    said = "\n".join(status(totals=totals, losses=Losses({"stack_truncated": 25})))
    assert "stacks 75.00 % whole, 25.00 % deeper than 127 frames" in said


def test_the_losses_come_first_when_there_is_one_line():
    assert status(20, 1)[0].startswith("lost nothing  ")
    assert status(40, 0, losses=Losses({"map_busy": 3}))[0].startswith("LOST  map_busy 3  ")


def test_it_says_how_many_places_are_looked_up_until_all_are_and_what_keeps_some_without():
    some = Naming(wanted=5_678, pending=4_444, notes=("no debug files", "no debug files"))
    said = " ".join(status(250, naming=some))
    assert "1 234 of 5 678 places looked up  no debug files" in said
    assert said.count("no debug files") == 1
    assert "looked up" not in " ".join(status(250, naming=Naming(wanted=5_678)))
