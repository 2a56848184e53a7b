"""The thread that asks the source about what the cursor is on."""

import threading
import time

import pytest

from ebpftrace.model.picture import SiteBlocks, SourceLines
from ebpftrace.tui import survey
from ebpftrace.tui.survey import Subject, Surveyor
from tests.unit.builders import frame, site

FRAME = frame("leak", file="/srv/leak.c", line=3)
BLOCKS = SiteBlocks(1, 64, (), ())
TEXT = SourceLines("/srv/leak.c", 1, ("a", "b", "c"))


class Asked:
    """A source that keeps what it was asked."""

    def __init__(self, failure=None):
        self.sites, self.frames = [], []
        self.failure = failure

    def blocks(self, one, last=20):
        assert last
        if self.failure:
            raise self.failure
        self.sites.append(one.at.id)
        return BLOCKS

    def source(self, _site, one, _around):
        self.frames.append(one)
        return TEXT


@pytest.fixture
def surveying(monkeypatch):
    monkeypatch.setattr(survey, "_REST_S", 0.02)
    monkeypatch.setattr(survey, "_LEAST_PAUSE_S", 0.02)
    running = []

    def start(source):
        found = threading.Semaphore(0)
        surveyor = Surveyor(source, found.release)
        surveyor.start()
        running.append(surveyor)
        return surveyor, found

    yield start
    for surveyor in running:
        surveyor.stop()


def named(name):
    return Subject(site(name, id=name), FRAME)


def test_what_the_cursor_rests_on_is_asked_about(surveying):
    source = Asked()
    surveyor, found = surveying(source)
    surveyor.look_at(named("one"), live=True)
    assert found.acquire(timeout=5)
    assert surveyor.survey == (named("one"), BLOCKS, TEXT)


def test_what_the_cursor_only_passes_is_not(surveying):
    source = Asked()
    surveyor, found = surveying(source)
    for name in "abcdefgh":
        surveyor.look_at(named(name), live=True)
    assert found.acquire(timeout=5)
    assert set(source.sites) == {"h"}


def test_blocks_are_asked_for_again_and_text_once(surveying):
    source = Asked()
    surveyor, found = surveying(source)
    surveyor.look_at(named("one"), live=True)
    for _ in range(3):
        assert found.acquire(timeout=5)
    assert source.frames == [FRAME]
    assert len(source.sites) >= 3


def test_of_a_picture_that_is_held_once_is_enough(surveying):
    source = Asked()
    surveyor, found = surveying(source)
    surveyor.look_at(named("one"), live=False)
    assert found.acquire(timeout=5)
    time.sleep(0.2)
    assert source.sites == ["one"]
    surveyor.look_at(named("one"), live=True)
    assert found.acquire(timeout=5)


def test_another_frame_has_another_text(surveying):
    source = Asked()
    surveyor, found = surveying(source)
    surveyor.look_at(named("one"), live=True)
    assert found.acquire(timeout=5)
    other = frame("caller", file="/srv/main.c", line=9)
    surveyor.look_at(Subject(site("one", id="one"), other), live=True)
    while source.frames != [FRAME, other]:
        assert found.acquire(timeout=5)


def test_nothing_is_asked_while_there_is_no_site(surveying):
    source = Asked()
    surveyor, found = surveying(source)
    surveyor.look_at(None, live=True)
    assert not found.acquire(timeout=0.1)
    assert source.sites == []


def test_what_the_source_raises_is_kept_for_the_dashboard(surveying):
    surveyor, found = surveying(Asked(RuntimeError("gone")))
    surveyor.look_at(named("one"), live=True)
    assert found.acquire(timeout=5)
    assert str(surveyor.failure) == "gone"
