"""ebpftrace: the outstanding allocations of running processes, by call site."""

__version__ = "0.1.0"
