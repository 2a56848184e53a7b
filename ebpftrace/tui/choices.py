"""The ways of watching that the dashboard offers."""

from collections.abc import Mapping

from ebpftrace.model.modes import Wanted

_Choice = tuple[Wanted, float | None]

_CHOICES: tuple[_Choice, ...] = (
    ("auto", 1.0),
    ("auto", 2.0),
    ("auto", 5.0),
    ("auto", 10.0),
    ("auto", 25.0),
    ("sample", 5.0),
    ("full", None),
)
_GROWTH: _Choice = ("growth", None)


def choices(asked: _Choice, forecast: Mapping[str, float]) -> dict[str, _Choice]:
    """Mode and budget in percent of a processor (None: no limit), by their words; what was `asked` for last first.

    `forecast`: what each level would cost, as of a picture; growth is offered where that can be watched.
    """
    offered = (asked, *_CHOICES, *([_GROWTH] if "growth" in forecast else []))
    return {worded(*one, forecast): one for one in dict.fromkeys(offered)}


def worded(mode: Wanted, budget_percent: float | None, forecast: Mapping[str, float]) -> str:
    """`auto, budget 5 %`; `full, for 18.9 % of a CPU`."""
    if mode in forecast:
        return f"{mode}, for {forecast[mode]:.1f} % of a CPU"
    if budget_percent is None:
        return mode
    return f"{mode}, budget {budget_percent:g} %"
