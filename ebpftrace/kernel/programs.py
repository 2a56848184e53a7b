"""The compiled programs and maps of `bpf/`; a program is loaded once, or once for each probe."""

import ctypes
import errno
import logging
import os
import platform

from ebpftrace.errors import CannotAttach
from ebpftrace.host.explain import refusal
from ebpftrace.host.release import other_machine
from ebpftrace.kernel import features, syscalls
from ebpftrace.kernel.compiler import Compilation, Compiled
from ebpftrace.kernel.instructions import with_constant_cookie
from ebpftrace.kernel.sizes import MapSizes

log = logging.getLogger(__name__)

_MACHINES = {"x86_64": "EBPFTRACE_X86_64", "aarch64": "EBPFTRACE_ARM64"}
_LOG_BYTES = 1 << 20
_OF_THE_VERIFIER = (errno.EINVAL, errno.EACCES, errno.E2BIG, errno.ENOSPC)


def start_compiling(
    sizes: MapSizes, stack_depth: int, min_size: int = 0, max_size: int | None = None
) -> Compilation:
    """Compile for this host. CannotAttach where it is no machine that we know."""
    machine = platform.machine()
    if machine not in _MACHINES:
        raise other_machine(machine)
    on_demand = features.maps_on_demand()
    return Compilation(
        {
            "EBPFTRACE_BPF": 1,
            _MACHINES[machine]: 1,
            "HASH_FLAGS": features.BPF_F_NO_PREALLOC if on_demand else 0,
            "MAX_THREADS": sizes.threads,
            "MAX_BLOCKS": sizes.blocks,
            "MAX_COHORTS": sizes.cohorts,
            "MAX_STACKS": sizes.stacks,
            "RING_PAGES": sizes.ring_pages,
            "STACK_DEPTH": stack_depth,
            "MIN_SIZE": f"{min_size}ULL",
            "MAX_SIZE": "~0ULL" if max_size is None else f"{max_size}ULL",
        }
    )


class Programs:
    """What was compiled, loaded when asked for."""

    def __init__(self, compiled: Compiled) -> None:
        """Takes over the descriptors."""
        self._compiled = compiled
        self._loaded: dict[tuple[str, int | None], int] = {}

    def map(self, name: str) -> int:
        """The descriptor of a map."""
        return self._compiled.maps[name]

    def load(self, name: str, kind: int, cookie: int | None = None) -> int:
        """The descriptor of program `name`, loaded once.

        With `cookie` a copy in which the call of bpf_get_attach_cookie is the constant: what
        kernels need that know no cookies.
        """
        key = (name, cookie)
        if key not in self._loaded:
            code = self._compiled.code[name]
            if cookie is not None:
                code = with_constant_cookie(code, cookie)
            self._loaded[key] = _load(name, kind, code)
        return self._loaded[key]

    def unload(self, cookies: set[int]) -> None:
        """Give up the copies that were made for these cookies."""
        for key in [key for key in self._loaded if key[1] in cookies]:
            os.close(self._loaded.pop(key))

    def loaded(self) -> tuple[int, ...]:
        """The descriptors of every loaded program."""
        return tuple(self._loaded.values())

    def descriptors(self) -> tuple[int, ...]:
        """Those of every map and loaded program."""
        return (*self._compiled.maps.values(), *self._loaded.values())

    def close(self) -> None:
        """Unload everything."""
        for fd in self._loaded.values():
            os.close(fd)
        self._loaded.clear()
        self._compiled.close()


def _load(name: str, kind: int, code: bytes) -> int:
    try:
        return syscalls.load_program(kind, code, name)
    except OSError as error:
        first = error
    if first.errno not in _OF_THE_VERIFIER:
        raise refusal(first, "program", f"The BPF program {name} cannot be loaded") from first
    words = ctypes.create_string_buffer(_LOG_BYTES)
    try:  # again, for the verifier's words
        return syscalls.load_program(kind, code, name, words)
    except OSError as error:
        lines = words.value.decode(errors="replace").strip().splitlines()
        log.debug("verifier on %s: %s", name, "\n".join(lines))
        raise CannotAttach(
            f"The kernel refused the BPF program {name} ({error.strerror}): "
            f"{' '.join(lines[-2:])} Try a smaller --stack-depth."
        ) from error
