"""What probes would cost here, found out without a target."""

from dataclasses import dataclass

from ebpftrace.errors import CannotAttach
from ebpftrace.kernel.backends import Backend
from ebpftrace.kernel.prices import STACK_DEPTH, Prices
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.preparation import Preparation, prepare

_FEW = 4096


@dataclass(frozen=True, slots=True)
class Offer:
    """The back end that attach would choose and its prices; `why` there are none, where so."""

    backend: Backend | None
    prices: Prices | None
    why: str = ""
    depth: int = STACK_DEPTH


def start(backend: Backend | None) -> Preparation | CannotAttach:
    """Compile for `offer`, from the main thread and before other threads run."""
    options = CaptureOptions(backend=backend, max_blocks=_FEW, max_stacks=_FEW)
    try:
        return prepare(options)
    except CannotAttach as error:
        return error


def offer(prepared: Preparation | CannotAttach) -> Offer:
    """Load the programs and run them on functions of our own; `prepared` is used up."""
    if isinstance(prepared, CannotAttach):
        return Offer(None, None, str(prepared))
    try:
        tracer = prepared.tracer()
    except CannotAttach as error:
        prepared.close()
        return Offer(None, None, str(error))
    try:
        tracer.calibrate()
        return Offer(tracer.backend, tracer.prices, "they could not be measured here")
    finally:
        tracer.close()
