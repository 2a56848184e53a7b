"""The JSON of speedscope, against the schema that its version 1.25.0 brings along."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from ebpftrace import __version__
from ebpftrace.analysis.selection import Selection
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.losses import Losses
from ebpftrace.text import clean
from tests.unit.builders import counts, frame, picture, site, suppressions, target
from tests.unit.formats.subjects import exported, subject
from tests.unit.hostile import HOSTILE
from tests.unit.snapshot_builders import snapshot

SCHEMA = json.loads((Path(__file__).parent / "speedscope/file-format-schema.json").read_bytes())


def written(given):
    """What is exported of a subject, which is valid."""
    made = json.loads(exported("speedscope", given))
    Draft7Validator(SCHEMA).validate(made)
    return made


def stacks(made, profile=0):
    """The names of each sample's frames with its weight."""
    names = [one["name"] for one in made["shared"]["frames"]]
    chosen = made["profiles"][profile]
    return [
        ([names[number] for number in sample], weight)
        for sample, weight in zip(chosen["samples"], chosen["weights"], strict=True)
    ]


def test_a_stack_runs_from_the_start_of_the_thread_inward():
    stack = (frame("leak_here"), frame("serve"), frame("main"))
    made = written(subject(site(frames=stack, counts=counts(2, 300))))
    assert stacks(made) == [(["main", "serve", "leak_here"], 300)]


def test_each_measure_is_a_profile_whose_name_says_what_it_is_and_of_which_process():
    made = written(subject(site(counts=counts(2, 300, freed=7))))
    assert [(one["name"], one["unit"], one["endValue"]) for one in made["profiles"]] == [
        ("app (pid 42): bytes in use", "bytes", 300),
        ("app (pid 42): blocks in use", "none", 2),
        ("app (pid 42): bytes allocated since the attach", "bytes", 307),
        ("app (pid 42): blocks allocated since the attach", "none", 9),
    ]
    assert [sum(one["weights"]) for one in made["profiles"]] == [300, 2, 307, 9]
    assert {(one["type"], one["startValue"]) for one in made["profiles"]} == {("sampled", 0)}


@pytest.mark.parametrize(
    "measure, index",
    [("bytes", 0), ("blocks", 1), ("allocated-bytes", 2), ("allocated-blocks", 3)],
)
def test_the_measure_decides_which_profile_is_shown_first(measure, index):
    assert written(subject(site(), measure=measure))["activeProfileIndex"] == index


def test_a_frame_has_what_is_known_of_it_and_code_without_lines_its_module():
    known = frame("f", file="/src/f.c", line=7, column=3)
    partly = frame("g", file="/src/g.c")
    made = written(subject(site(frames=(known, partly, frame("h"), frame("jit", module=None)))))
    assert made["shared"]["frames"] == [
        {"name": "f", "file": "/src/f.c", "line": 7, "col": 3},
        {"name": "g", "file": "/src/g.c"},
        {"name": "h", "file": "/srv/app"},
        {"name": "jit"},
    ]


def test_places_that_only_differ_by_address_are_one_frame_and_their_stacks_one_sample():
    one = site("a", frames=(frame("f", address=1, offset=1),), counts=counts(1, 10))
    other = site("b", frames=(frame("f", address=2, offset=2),), counts=counts(1, 5))
    made = written(subject(one, other))
    assert len(made["shared"]["frames"]) == 1
    assert stacks(made) == [(["f"], 15)]


def test_stacks_that_begin_alike_are_neighbours():
    first, second = (frame("a"), frame("main")), (frame("b"), frame("main"))
    between = (frame("c"), frame("start_thread"))
    made = written(
        subject(site("1", frames=first), site("2", frames=between), site("3", frames=second))
    )
    outermost = [names[0] for names, _ in stacks(made)]
    assert sorted(outermost) == ["main", "main", "start_thread"]
    assert outermost != ["main", "start_thread", "main"]


def test_a_profile_leaves_out_what_has_nothing_of_its_measure():
    gone = site("gone", counts=counts(0, 0, freed=5))
    made = written(subject(gone, site("held", counts=counts(1, 10))))
    assert stacks(made, 0) == [(["held"], 10)]
    assert {names[0]: weight for names, weight in stacks(made, 2)} == {"gone": 5, "held": 10}


def test_nothing_at_all_is_four_empty_profiles():
    made = written(subject())
    assert [(one["samples"], one["weights"]) for one in made["profiles"]] == [([], [])] * 4


def test_what_is_held_without_a_call_site_is_there():
    shown = picture(site(counts=counts(1, 60)), totals=counts(3, 100))
    made = written(subject(snapshot=snapshot(shown)))
    assert stacks(made) == [(["leak_here"], 60), (["[call sites that were not recorded]"], 40)]
    assert made["profiles"][1]["endValue"] == 3


def test_of_several_processes_each_has_its_stacks_and_the_profiles_name_a_few():
    targets = (target(), target(pid=Pid(43), slot=Slot(2), comm="worker"))
    shown = picture(site("f"), site("g", slot=Slot(2), pid=Pid(43)), targets=targets)
    made = written(subject(snapshot=snapshot(shown)))
    assert sorted(stacks(made)) == [(["app (pid 42)", "f"], 100), (["worker (pid 43)", "g"], 100)]
    assert made["profiles"][0]["name"] == "app (pid 42), worker (pid 43): bytes in use"


def test_many_processes_are_counted_in_the_names_of_profiles():
    targets = tuple(target(pid=Pid(n), slot=Slot(n)) for n in range(1, 5))
    made = written(subject(snapshot=snapshot(picture(targets=targets))))
    assert made["profiles"][0]["name"] == "4 processes: bytes in use"


def test_the_name_says_what_is_suppressed_and_what_was_lost():
    shown = picture(site("known"), site("other"), losses=Losses({"stack_cut": 3}))
    hiding = Selection(suppressions=suppressions("known"))
    made = written(subject(snapshot=snapshot(shown), selection=hiding))
    assert made["name"] == (
        "app.ebpftrace, without 1 site with 100 B in 1 block by 1 suppression (leak:known), "
        "LOST stack_cut 3"
    )
    assert made["profiles"][0]["endValue"] == 100


def test_the_exporter_and_its_version_are_named():
    made = written(subject())
    assert (made["exporter"], made["name"]) == (f"ebpftrace {__version__}", "app.ebpftrace")


def test_names_of_a_hostile_target_come_out_as_they_are():
    names = [f'{clean(name)}"],[\\</script>' for name in HOSTILE]
    sites = [site(name, frames=(frame(name, file=name, line=1),)) for name in names]
    targets = (target(comm=names[0]),)
    made = written(subject(snapshot=snapshot(picture(*sites, targets=targets)), file=names[1]))
    assert [one["name"] for one in made["shared"]["frames"]] == names
    assert made["name"] == names[1]
    assert made["profiles"][0]["name"].startswith(names[0])
