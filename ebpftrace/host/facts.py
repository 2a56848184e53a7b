"""Which host this is, for those who read a snapshot elsewhere."""

import os

from ebpftrace.host import files
from ebpftrace.host.release import distribution
from ebpftrace.kernelfiles import sizes
from ebpftrace.model.snapshot import Host
from ebpftrace.text import clean


def host_facts() -> Host:
    """As it stands now; 0.2 ms."""
    system = os.uname()
    boot = files.read("/proc/sys/kernel/random/boot_id")
    memory = sizes(files.read("/proc/meminfo") or "")
    return Host(
        name=clean(system.nodename),
        kernel=clean(system.release),
        machine=system.machine,
        distribution=distribution(),
        boot=clean(boot) if boot else None,
        processors=os.cpu_count() or 1,
        page_size=os.sysconf("SC_PAGE_SIZE"),
        memory_bytes=memory.get("MemTotal"),
        available_bytes=memory.get("MemAvailable"),
    )
