"""From what BCC and clang last said, or how they died, to a sentence."""

import errno
import os
import re
import signal

from ebpftrace import shortage
from ebpftrace.errors import HostRefuses
from ebpftrace.host.explain import refusal
from ebpftrace.kernel.child import how_it_ended
from ebpftrace.text import clean

_MAP = re.compile(r"could not open bpf map: (\w+), error: (.+)")
_NUMBERS = {os.strerror(number): number for number in errno.errorcode}
_MOST_WORDS = 400
_DEBUG = "--debug shows every line of the compiler."
_NEWER = (
    "Install BCC 0.26 or newer with its own LLVM: Debian 12, Ubuntu 24.04 and what came after them have it. "
    "python3 -c 'import bcc; print(bcc.__version__)' tells which this is."
)
_OUT_OF_MEMORY = re.compile(r"memory|bad_alloc|failed to map segment", re.IGNORECASE)


def not_started(error: OSError) -> HostRefuses:
    """There is no child, or no place for its words."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return refusal(error, "map", "The compiler cannot be started")
    if error.errno in (errno.EAGAIN, errno.ENOMEM):
        return refusal(error, "fork", "The compiler cannot be started")
    return HostRefuses(
        f"The compiler cannot be started: {error.strerror}.",
        "Make room in the temporary folder (TMPDIR), and allow this user more processes and "
        "memory (ulimit -u, ulimit -v).",
    )


def fix_for(words: str, otherwise: str) -> str:
    """More memory where these words say that it ran out."""
    return shortage.MORE_MEMORY if _OUT_OF_MEMORY.search(words) else otherwise


def compiler_failed(what: str, said: str) -> HostRefuses:
    """`what` went wrong, with the lines that say why; a map that was refused is explained."""
    refused = _MAP.search(said)
    if refused and refused[2].strip() in _NUMBERS:
        number = _NUMBERS[refused[2].strip()]
        return refusal(number, "map", f"The BPF map {refused[1]} cannot be created")
    lines = [clean(line).strip(" .") for line in said.splitlines() if line.strip()]
    reasons = [line for line in lines if "error" in line][:3] or lines[-3:]
    words = ". ".join([what.strip(" ."), *reasons])[:_MOST_WORDS]
    return HostRefuses(f"The BPF programs could not be made: {words}.", fix_for(words, _DEBUG))


def compiler_ended(status: int | None, said: str) -> HostRefuses:
    """The child ended (wait status, None: not known) before it had answered."""
    if status is None:
        return compiler_failed("the compiler stopped answering", said)
    by_abort = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGABRT
    if by_abort and "Assertion" in said:  # BCC 0.18: see trial_compilation
        return HostRefuses(
            f"The BPF programs could not be made: this BCC is too old for them ({_assertion(said)}).",
            _NEWER,
        )
    answer = "" if os.WIFSIGNALED(status) else " and no answer"
    return compiler_failed(f"the compiler {how_it_ended(status)}{answer}", said)


def _assertion(said: str) -> str:
    """What it asserted, without the name of the function that did."""
    line = next(line for line in said.splitlines() if "Assertion" in line)
    return clean(line[line.index("Assertion") :]).rstrip(" .")[:_MOST_WORDS]
