"""The ways of watching that the dashboard offers."""

from ebpftrace.tui.choices import choices

FORECAST = {"full": 18.9, "sample 1:4": 6.0}


def test_what_was_asked_for_comes_first_and_once():
    offered = choices(("auto", 5.0), FORECAST)
    words = list(offered)
    assert words[0] == "auto, budget 5 %"
    assert words.count("auto, budget 5 %") == 1
    assert "full, for 18.9 % of a CPU" in words
    assert offered["sample, budget 5 %"] == ("sample", 5.0)


def test_growth_is_offered_where_it_can_be_watched():
    assert not any(one.startswith("growth") for one in choices(("auto", 5.0), FORECAST))
    offered = choices(("auto", 5.0), {**FORECAST, "growth": 0.2})
    assert offered["growth, for 0.2 % of a CPU"] == ("growth", None)
