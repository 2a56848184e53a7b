"""How often pictures are drawn where they cost much."""

import pytest

from ebpftrace.drain.polling import HEADLESS, WATCHED, Polling


def every(interval: float, share: float, *cpu_s: float) -> float:
    polling = Polling(interval, share)
    for one in cpu_s:
        polling.drew(one)
    return polling.every_s


def test_cheap_pictures_come_as_often_as_was_asked_for():
    assert every(1.0, HEADLESS, 0.02, 0.02) == 1.0
    assert every(60.0, HEADLESS, 1.0, 1.0) == 60.0
    assert not Polling(1.0, HEADLESS).slowed


def test_dear_ones_take_no_more_than_their_share():
    assert every(1.0, HEADLESS, 0.3, 0.3) == pytest.approx(15.0)
    assert every(1.0, WATCHED, 0.3, 0.3) == pytest.approx(2.0)


def test_one_dear_picture_among_cheap_ones_slows_nothing_down():
    assert every(1.0, HEADLESS, 0.01, 2.0) == 1.0
    assert every(1.0, HEADLESS, 0.01, 2.0, 0.5) == pytest.approx(25.0)
    assert every(1.0, HEADLESS, 2.0, 0.01) == 1.0


def test_who_asks_for_shorter_intervals_has_agreed_to_their_price():
    assert every(0.2, HEADLESS, 0.02, 0.02) == 0.2
    assert every(0.2, HEADLESS, 0.1, 0.1) == pytest.approx(1.0)


def test_it_is_said_that_it_was_slowed_down():
    polling = Polling(1.0, HEADLESS)
    polling.drew(0.1)
    assert not polling.slowed
    polling.drew(0.1)
    assert polling.slowed
