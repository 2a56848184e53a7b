"""The compiled programs and maps of `bpf/`; a program is loaded once, or once for each probe."""

import ctypes
import errno
import logging
import mmap
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from ebpftrace.errors import CannotAttach
from ebpftrace.host import namespaces
from ebpftrace.host.explain import refusal
from ebpftrace.host.release import require_machine
from ebpftrace.kernel import features, reuse, syscalls
from ebpftrace.kernel.backends import ATTACH_TYPES, Placement, ProgramName
from ebpftrace.kernel.compiler import TRACER, TRACER_OF_CALLS, TRACER_OF_FAULTS, Compiled, Compiling
from ebpftrace.kernel.instructions import (
    IS_RETURN,
    session,
    with_answer,
    with_constant_cookie,
    with_depth,
    with_maps,
    with_own_cookie,
    without_saved_registers,
)
from ebpftrace.kernel.reuse import Sized, Task
from ebpftrace.kernel.sizes import MapSizes
from ebpftrace.kernel.tables import possible_cpus

log = logging.getLogger(__name__)

_MACHINES = {"x86_64": "EBPFTRACE_X86_64", "aarch64": "EBPFTRACE_ARM64"}
_LOG_BYTES = 1 << 20
_TOO_MUCH = (errno.E2BIG, errno.ENOMEM, errno.ENOSPC)  # for the verifier
_OF_THE_VERIFIER = (errno.EINVAL, errno.EACCES, errno.E2BIG, errno.ENOSPC)
_MAP_TYPE_PROG_ARRAY = 3
_SHALLOWER = (96, 64, 48, 32)


def start_compiling(
    sizes: MapSizes,
    stack_depth: int,
    min_size: int = 0,
    max_size: int | None = None,
    *,
    faults: bool = False,
) -> Compiling:
    """Compile for this host, unless an earlier start has. CannotAttach as `_task`.

    `faults`: with what it takes to watch page faults.
    """
    return reuse.start(_task(sizes, stack_depth, min_size, max_size, faults=faults))


def are_compiled(sizes: MapSizes, stack_depth: int) -> bool:
    """Is there nothing to compile, so that BCC is not needed? CannotAttach as `_task`."""
    return reuse.is_kept(_task(sizes, stack_depth))


def _task(
    sizes: MapSizes,
    stack_depth: int,
    min_size: int = 0,
    max_size: int | None = None,
    *,
    faults: bool = False,
) -> Task:
    """CannotAttach where this is no machine that we know, or the kernel refuses any map."""
    machine = require_machine()
    on_demand = features.maps_on_demand()
    definitions: dict[str, object] = {
        "EBPFTRACE_BPF": 1,
        _MACHINES[machine]: 1,
        "HASH_FLAGS": features.BPF_F_NO_PREALLOC if on_demand else 0,
        "STACK_DEPTH": stack_depth,
        "CPUS": possible_cpus(),
        "RULE_SHIFT": 64 - (sizes.rules.bit_length() - 1),
        "MIN_SIZE": f"{min_size}ULL",
        "MAX_SIZE": "~0ULL" if max_size is None else f"{max_size}ULL",
    }
    space = namespaces.own_pid()
    if space is not None:
        definitions |= {"PID_DEVICE": f"{space[0]}ULL", "PID_NAMESPACE": f"{space[1]}ULL"}
    if faults:
        definitions["WATCH_FAULTS"] = 1
        of_faults = {"MAX_FAULTS": Sized("faults", sizes.faults)}
        return Task(definitions, {**_of_maps(sizes), **of_faults}, TRACER_OF_FAULTS)
    unit = TRACER_OF_CALLS if sizes.trace_pages else TRACER
    return Task(definitions, _of_maps(sizes), unit)


def _of_maps(sizes: MapSizes) -> dict[str, Sized]:
    """What maps.h calls the sizes that are nothing else: they are nowhere in the code."""
    found = {
        "MAX_THREADS": Sized("in_flight", sizes.threads),
        "MAX_BLOCKS": Sized("blocks", sizes.blocks),
        "MAX_COHORTS": Sized("cohorts", sizes.cohorts),
        "MAX_STACKS": Sized("stacks_seen", sizes.stacks),
        "MORE_RULES": Sized("more_rules", sizes.more_rules),
        "RING_PAGES": Sized("events", sizes.ring_pages, mmap.PAGESIZE),
        "MISS_PAGES": Sized("misses", sizes.miss_pages, mmap.PAGESIZE),
    }
    if sizes.trace_pages:
        found["TRACE_PAGES"] = Sized("calls", sizes.trace_pages, mmap.PAGESIZE)
    return found


class Programs:
    """What was compiled, loaded when asked for."""

    def __init__(
        self,
        compiled: Compiled,
        stack_depth: int,
        kernel_function: Callable[[str], int | None],
    ) -> None:
        """Takes over the descriptors; `kernel_function` as in `btf`.

        `depth`, of the walks, becomes less than `stack_depth` where the verifier gives up on that.
        """
        self._kernel_function = kernel_function
        self._compiled = compiled
        self._loaded: dict[tuple[str, int, int | None], int] = {}
        self._tracepoints: set[str] = set()
        self._program_arrays = {0: compiled.maps["programs"]}
        self._faults_ahead: Future[int] | None = None
        self.depth = stack_depth
        self.cookies_are_known = features.attach_cookies()

    def map(self, name: str) -> int:
        """The descriptor of a map."""
        return self._compiled.maps[name]

    def tracepoint(self, name: str) -> int:
        """The descriptor of the raw tracepoint program `name`."""
        key = (name, 0, None)
        self._tracepoints.add(name)
        if key not in self._loaded:
            kind = syscalls.PROG_TYPE_RAW_TRACEPOINT
            self._loaded[key] = _load(name, kind, self._compiled.code[name], 0)
        return self._loaded[key]

    def load_faults_ahead(self) -> None:
        """Let the kernel verify what `faults` gives meanwhile: half a second of another processor."""
        pool = ThreadPoolExecutor(1, "verifier")
        self._faults_ahead = pool.submit(self._load_faults)
        pool.shutdown(wait=False)

    def faults(self) -> int:
        """The descriptor of the program of page faults. CannotAttach."""
        key = ("on_fault", 0, None)
        if key not in self._loaded:
            ahead, self._faults_ahead = self._faults_ahead, None
            self._loaded[key] = ahead.result() if ahead else self._load_faults()
        return self._loaded[key]

    def _load_faults(self) -> int:
        code = self._compiled.code["on_fault"]
        if not features.saved_registers():
            code = without_saved_registers(code)
        return self._load_walk("on_fault", code, 0, syscalls.PROG_TYPE_PERF_EVENT)

    def uprobe(self, placement: Placement) -> int:
        """The descriptor of the program that `placement` wants. CannotAttach.

        Where the kernel knows no cookies it is a copy in which the cookie is a constant.
        """
        attach_type = ATTACH_TYPES[placement.backend]
        known = self.cookies_are_known or attach_type  # links came later, with cookies
        # A return goes by the cookie of its entry: to verify the walk once for each probe takes seconds.
        own = 0 if placement.returns else placement.cookies[0]
        cookie = None if known else own
        key = (placement.program, attach_type, cookie)
        if key not in self._loaded:
            code = with_maps(self._code(placement.program), self._maps_for(attach_type))
            if placement.program == "on_loaded":
                return self._load_plain(key, code)
            code = with_own_cookie(code) if cookie is None else with_constant_cookie(code, cookie)
            self._loaded[key] = self._load_walk(placement.program, code, attach_type)
        return self._loaded[key]

    def _load_plain(self, key: tuple[str, int, int | None], code: bytes) -> int:
        """A program that neither walks nor has a cookie."""
        name, attach_type, _ = key
        fd = self._loaded[key] = _load(name, syscalls.PROG_TYPE_KPROBE, code, attach_type)
        return fd

    def _load_walk(
        self, name: str, code: bytes, attach_type: int, kind: int = syscalls.PROG_TYPE_KPROBE
    ) -> int:
        """A program that may walk, as deep as the verifier lets it."""
        for depth in [self.depth, *(less for less in _SHALLOWER if less < self.depth)]:
            try:
                fd = syscalls.load_program(
                    kind, with_depth(code, depth), name, attach_type=attach_type
                )
            except OSError as error:
                if error.errno not in _TOO_MUCH:
                    break
                log.info("%s with stacks of %d frames: %s", name, depth, error.strerror)
                continue
            self.depth = depth
            return fd
        return _load(name, kind, with_depth(code, self.depth), attach_type)

    def _code(self, name: ProgramName) -> bytes:
        code = self._compiled.code
        if name in ("leave", "on_loaded"):
            return code[name]
        if name == "enter":
            return with_answer(code["enter"], 0)
        is_return = self._kernel_function(IS_RETURN)
        if is_return is None:
            raise CannotAttach(f"This kernel has no {IS_RETURN}; use another --backend.")
        return session(with_answer(code["enter"], 1), code["leave"], is_return)

    def _maps_for(self, attach_type: int) -> dict[int, int]:
        """Every map for itself, but a program array for each attach type.

        The kernel lets programs of one attach type share one (4540aed51b12, 6.18).
        """
        if attach_type not in self._program_arrays:
            try:
                own = syscalls.create_map(_MAP_TYPE_PROG_ARRAY, 4, 4, 1, 0)
            except OSError as error:
                raise refusal(error, "map", "A BPF map (prog_array) cannot be created") from error
            self._program_arrays[attach_type] = own
        here = {fd: fd for fd in self._compiled.maps.values()}
        return here | {self._program_arrays[0]: self._program_arrays[attach_type]}

    def unload(self, cookies: frozenset[int]) -> None:
        """Give up the copies that were made for these cookies."""
        for key in [key for key in self._loaded if key[2] in cookies]:
            os.close(self._loaded.pop(key))

    def at_probes(self) -> list[int]:
        """The descriptors of those at uprobes, and of that of page faults."""
        others = ("on_loaded", *self._tracepoints)
        return [fd for (name, _, _), fd in self._loaded.items() if name not in others]

    def loaded(self) -> tuple[int, ...]:
        """The descriptors of every loaded program."""
        return tuple(self._loaded.values())

    def descriptors(self) -> tuple[int, ...]:
        """Those of every map and loaded program."""
        arrays = [fd for attach_type, fd in self._program_arrays.items() if attach_type]
        return (*self._compiled.maps.values(), *arrays, *self.loaded())

    def close(self) -> None:
        """Unload everything."""
        if self._faults_ahead is not None:
            with suppress(CannotAttach):  # nobody has asked for it
                self.faults()
        for fd in self.loaded():
            os.close(fd)
        self._loaded.clear()
        for attach_type, fd in self._program_arrays.items():
            if attach_type:
                os.close(fd)
        self._program_arrays.clear()
        self._compiled.close()


def _load(name: str, kind: int, code: bytes, attach_type: int) -> int:
    try:
        return syscalls.load_program(kind, code, name, attach_type=attach_type)
    except OSError as error:
        first = error
    if first.errno not in _OF_THE_VERIFIER:
        raise refusal(first, "program", f"The BPF program {name} cannot be loaded") from first
    words = ctypes.create_string_buffer(_LOG_BYTES)
    try:  # again, for the verifier's words
        return syscalls.load_program(kind, code, name, words, attach_type)
    except OSError as error:
        lines = words.value.decode(errors="replace").strip().splitlines()
        log.debug("verifier on %s: %s", name, "\n".join(lines))
        raise CannotAttach(
            f"The kernel refused the BPF program {name} ({error.strerror}): "
            f"{' '.join(lines[-2:])} Try a smaller --stack-depth."
        ) from error
