"""Other processes that run in the memory of one."""

from ebpftrace.target.process import Process


def shares_memory_with(_process: Process) -> list[int]:
    """Placeholder."""
    return []
