"""What takes time is done at intervals, and for a share of the time at most."""

from ebpftrace.session.pace import Pace


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def done(pace, clock, took):
    end = pace.begin()
    clock.now += took
    end()


def test_it_is_due_at_first_and_then_every_so_many_seconds():
    clock = Clock()
    pace = Pace(10.0, lambda: 0.01, clock)
    assert pace.due()
    done(pace, clock, 0.001)
    clock.now = 109.9
    assert not pace.due()
    clock.now = 110.0
    assert pace.due()


def test_what_takes_long_is_done_more_rarely():
    clock = Clock()
    pace = Pace(10.0, lambda: 0.01, clock)
    done(pace, clock, 1.0)
    clock.now = 199.9
    assert not pace.due()
    clock.now = 200.0
    assert pace.due()


def test_it_is_not_due_while_it_goes_on():
    clock = Clock()
    pace = Pace(10.0, lambda: 0.01, clock)
    pace.begin()
    clock.now += 5.0
    assert not pace.due()
