"""What watching costs, in words."""

from ebpftrace.model.picture import Picture
from ebpftrace.units import format_bytes, format_count, format_seconds

_DEARER = 1.2


def prices(picture: Picture) -> list[str]:
    """What watching costs, as far as it is known: in the target, in this tool."""
    cost, words = picture.cost, []
    if cost.target_cpu_percent is not None:
        words.append(f"{cost.target_cpu_percent:.1f} % of a processor in the target")
        full = cost.forecast_percent.get("full", 0.0)
        if picture.mode != "full" and full > _DEARER * cost.target_cpu_percent:
            words.append(f"full would cost {full:.1f} %")
    if cost.hits_per_s is not None:
        words.append(f"{format_count(cost.hits_per_s)} probe hits/s")
    if cost.tool_cpu_percent is not None:
        words.append(f"{cost.tool_cpu_percent:.1f} % in this tool")
    if cost.slowed_to_s is not None:
        words.append(f"slowed down to a picture every {format_seconds(cost.slowed_to_s)}")
    memory = (cost.tool_rss_bytes or 0) + (cost.kernel_bytes or 0)
    return [*words, f"{format_bytes(memory)} of memory"]


def price(picture: Picture) -> str:
    """The same as one text."""
    return ", ".join(prices(picture))
