"""The plans of several processes, before anything is attached."""

from collections.abc import Callable, Sequence

from ebpftrace.errors import CannotAttach
from ebpftrace.probes.pools import Pools
from ebpftrace.session.traced import Traced
from ebpftrace.target.process import Process


def plan_all(
    processes: Sequence[Process],
    step: Callable[[str], None],
    pools: Pools | None = None,
    *,
    only_mappings: bool = False,
) -> tuple[list[Traced], list[CannotAttach]]:
    """Of those that can be traced, and why the others cannot; these are closed.

    `step` may raise to give up: then all are.
    """
    planned: list[Traced] = []
    failures: list[CannotAttach] = []
    try:
        for process in processes:
            step("planning the probes")
            try:
                planned.append(Traced(process, pools or Pools(), only_mappings=only_mappings))
            except CannotAttach as error:
                process.close()
                failures.append(error)
    except BaseException:
        for traced in planned:
            traced.close()
        for process in processes:
            process.close()
        raise
    return planned, failures


def again(
    traced: Sequence[Traced], *, only_mappings: bool
) -> tuple[list[Traced], list[CannotAttach]]:
    """The same programs, planned for a watch that begins now; why some cannot be. `traced` stay the caller's."""
    planned: list[Traced] = []
    failures: list[CannotAttach] = []
    for one in traced:
        try:
            planned.append(one.again(only_mappings=only_mappings))
        except CannotAttach as error:
            failures.append(error)
    return planned, failures
