"""What doctor says of the kernel's features, on a kernel that may have none of them."""

import errno

from ebpftrace.doctor import features
from ebpftrace.doctor.features import FEATURES, Feature, check, find
from ebpftrace.errors import CannotAttach
from ebpftrace.kernel.probe_trials import ProbeTrial


def feature(have: bool | None, name: str = "links", instead: str = "perf events") -> Feature:
    return Feature(name, "6.6", "89ae89f53d20", have, instead)


def test_all_is_one_word_and_what_is_missing_is_named_with_what_is_done_instead():
    assert check((feature(True), feature(True))).found == "all 2 that make a difference"
    found = check((feature(True), feature(False), feature(None, "shadow stacks")))
    assert found.verdict == "ok"
    assert found.found == (
        "1 of 3; without links (6.6): perf events; could not be tried: shadow stacks"
    )


def test_what_attach_cannot_do_without_is_a_note():
    assert check((feature(False, instead="attach cannot work"),)).verdict == "note"


def test_an_error_of_the_kernel_is_a_no_and_without_a_trial_nothing_is_known(monkeypatch):
    def refuses(_trial):
        raise OSError(errno.EINVAL, "Invalid argument")

    def cannot(_trial):
        raise CannotAttach("There is none.")

    rows = tuple(("x", "5.8", "457f44363a88", trial, "y") for trial in (refuses, cannot))
    monkeypatch.setattr(features, "FEATURES", (*rows, FEATURES[0]))
    trial = ProbeTrial(refused={"session": "the kernel does not know them"})
    assert [found.have for found in find(trial)] == [False, False, False]
    assert [found.have for found in find(CannotAttach("No fork."))] == [None, None, None]


def test_names_are_different_and_each_has_a_release_and_a_commit():
    assert len({name for name, *_ in FEATURES}) == len(FEATURES)
    for _, since, commit, _, instead in FEATURES:
        assert since[0].isdigit()
        assert len(commit) == 12
        assert int(commit, 16)
        assert instead
