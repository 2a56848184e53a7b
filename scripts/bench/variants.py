"""The kernel side with one thing done otherwise, to see what that one thing costs or saves.

A variant is a list of exact replacements in the flattened text; each has to be found exactly once.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ebpftrace.errors import EbpftraceError
from ebpftrace.kernel.btf import kernel_function
from ebpftrace.kernel.instructions import SIZE, helper_call, instruction

SESSION_COOKIE = "bpf_session_cookie"
_SESSION_COOKIE_MARK = 0x7FFE03  # next to the marks of bpf/arch.h
_CALL, _KERNEL_FUNCTION = 0x85, 2

Combine = Callable[[bytes, bytes, int], bytes]


class VariantStale(EbpftraceError):
    """The source no longer contains what a variant replaces: the variant has to be written anew."""


@dataclass(frozen=True, slots=True)
class Variant:
    """`says`: what is otherwise. `session_only`: needs the cookie of session programs."""

    name: str
    says: str
    replaced: tuple[tuple[str, str], ...] = ()
    session_only: bool = False

    def applied(self, text: str) -> str:
        """The variant of the flattened `text`. VariantStale."""
        for old, new in self.replaced:
            if text.count(old) != 1:
                raise VariantStale(
                    f"Variant {self.name}: bpf/ holds this {text.count(old)} times, not once: {old!r}."
                )
            text = text.replace(old, new)
        return text


AS_IS = Variant("as-is", "the text as it is")

VARIANTS = (
    AS_IS,
    Variant(
        "deleted-in-flight",
        "in_flight deleted at the return and inserted at the entry, not overwritten in place",
        (
            (
                "\tcount_birth(slot, birth.address, &block, call->pointer && !call->took_old);\n",
                (
                    "\tcount_birth(slot, birth.address, &block, call->pointer && !call->took_old);\n"
                    "\tin_flight.delete(&block.thread);\n"
                ),
            ),
        ),
    ),
    Variant(
        "second-clock",
        "the clock read again at the return, for the birth and its epoch",
        (
            (
                "\tblock.born = call->took_old ? call->old.born : call->entered;\n",
                (
                    "\tresult_time = bpf_ktime_get_ns();\n"
                    "\tblock.born = call->took_old ? call->old.born : result_time;\n"
                ),
            ),
            (
                "open_epoch_at(switches, walk, call->entered) : 0;\n",
                "open_epoch_at(switches, walk, result_time) : 0;\n",
            ),
            (
                "\tstruct block block = {};\n\n\t/* By way",
                "\tstruct block block = {};\n\tu64 result_time;\n\n\t/* By way",
            ),
        ),
    ),
    Variant(
        "copied-block",
        "the block copied through the stack once more at the free",
        (
            (
                "\t*block = *found;\n",
                (
                    "\tstruct block copy = *found;\n\n"
                    '\tasm volatile("" : : "r"(&copy) : "memory");\n'
                    "\t*block = copy;\n"
                ),
            ),
        ),
    ),
    Variant(
        "walked-each-time",
        "every stack walked, also those that this cpu has walked a moment ago",
        (
            (
                "\treturn is_same_path(walk, path, seen, whose, version) ? path->hash : 0;\n",
                "\tKEPT(walk->path) = NO_PATH;\n\treturn 0;\n",
            ),
        ),
    ),
    Variant(
        "in-vain",
        "the last walks looked at and never found: the worst that they cost",
        (("\tif (other)\n\t\treturn 0;\n", "\tif (other || KEPT(path->sp))\n\t\treturn 0;\n"),),
    ),
    Variant(
        "divided",
        "the epoch divided out of the time at every birth",
        (
            (
                "? epoch_in(walk, moment - switches->start) : 0;\n",
                "? epoch_at(moment - switches->start) : 0;\n",
            ),
        ),
    ),
    Variant(
        "plain-hits",
        "hits counted by a plain add, which a preemption can lose",
        (
            (
                "\t\t__sync_fetch_and_add(count, 1);\n\telse\n",
                "\t\t*count += 1;\n\telse\n",
            ),
        ),
    ),
    Variant(
        "session-cookie",
        "malloc's size in the session's cookie, its clock read at the return, no in_flight (and so no "
        "check for nested calls: the most that it could save)",
        (
            (
                "\tread_arguments(ctx, cookie, &given);\n",
                (
                    "\tif (COOKIE_FUNCTION(cookie) == 1) {\n"
                    f"\t\tu64 *kept = ((u64 * (*)(void *)){_SESSION_COOKIE_MARK:#x})(ctx);\n\n"
                    "\t\tif (!counts(switches, cookie, CONTROL_ARMED))\n"
                    "\t\t\treturn NO_RETURN_WANTED;\n"
                    "\t\t*kept = register_of(ctx, COOKIE_SIZE(cookie));\n"
                    "\t\treturn RETURN_WANTED;\n\t}\n"
                    "\tread_arguments(ctx, cookie, &given);\n"
                ),
            ),
            (
                (
                    "\tstruct in_flight *call = NULL;\n\tstruct control *switches;\n"
                    "\tstruct walk *walk;\n\tu32 zero = 0;\n\n\tif (see_return(ctx, cookie, &seen))\n\t\tcall = returning_call(&seen, cookie);\n"
                ),
                (
                    "\tstruct in_flight *call = NULL, kept = {};\n\tstruct control *switches;\n"
                    "\tstruct walk *walk;\n\tu32 zero = 0;\n\n"
                    "\tif (see_return(ctx, cookie, &seen) && COOKIE_FUNCTION(cookie) == 1) {\n"
                    f"\t\tkept.size = *((u64 * (*)(void *)){_SESSION_COOKIE_MARK:#x})(ctx);\n"
                    "\t\tkept.entered = bpf_ktime_get_ns();\n"
                    "\t\tkept.cookie = cookie;\n"
                    "\t\tcall = &kept;\n"
                    "\t} else {\n\t\tcall = returning_call(&seen, cookie);\n\t}\n"
                ),
            ),
        ),
        session_only=True,
    ),
)

_WALK = (
    "\thash = kept_hash(walk, seen, whose, version);\n"
    "\tif (hash) {\n"
    "\t\tKEPT(walk->event.end) = END_OUTERMOST;\n"
    "\t\tKEPT(walk->event.guessed) = 0;\n"
    "\t\treturn hash;\n"
    "\t}\n"
    "\tif (!KEPT(walk->span))\n"
    "\t\tread_stack(walk, seen->sp & ~7ULL, FIRST_BYTES);\n"
    "\thash = walk_stack(walk, birth->slot, birth->called, DEPTH_IN_USE);\n"
)
_SP_BEFORE = "\tu64 sp_before;  /* the stack pointer at the entry */\n"
_WHOLE = "\tKEPT(walk->event.guessed) = 0;\n\tKEPT(walk->event.end) = END_OUTERMOST;\n"
_NOT_KEPT = "\tKEPT(walk->path) = NO_PATH;\n"
NO_WALK = Variant(
    "no-walk",
    "no walk at all: every block under one stack",
    ((_WALK, f"\thash = 1;\n\tKEPT(walk->event.count) = 0;\n{_WHOLE}{_NOT_KEPT}"),),
)
KERNEL_WALK = Variant(
    "kernel-walk",
    "bpf_get_stack, which follows frame pointers; not hashed: a stack is known by its number of frames",
    (
        (
            _WALK,
            (
                "\thash = bpf_get_stack(seen->ctx, walk->pcs, sizeof(walk->pcs), BPF_F_USER_STACK);\n"
                f"\thash >>= 3;\n\tKEPT(walk->event.count) = hash;\n{_WHOLE}{_NOT_KEPT}"
            ),
        ),
        (_SP_BEFORE, f"{_SP_BEFORE}\tstruct pt_regs *ctx;\n"),
        (
            "\t\tseen->result = PT_REGS_RC(ctx);\n",
            "\t\tseen->result = PT_REGS_RC(ctx), seen->ctx = ctx;\n",
        ),
    ),
)
WALKS = (AS_IS, KERNEL_WALK, NO_WALK)


def named(name: str) -> Variant:
    """Any of them. StopIteration where there is none of that name."""
    return next(one for one in (*VARIANTS, *WALKS) if one.name == name)


def with_session_cookie(combine: Combine) -> Combine:
    """`combine`, which makes a session program of two, with marks made calls of the kernel's.

    BCC cannot call functions of the kernel; a call of one is a call whose source register is 2.
    """
    number = kernel_function(SESSION_COOKIE)
    if number is None:
        raise VariantStale(f"This kernel has no {SESSION_COOKIE}.")
    mark = helper_call(_SESSION_COOKIE_MARK)
    call = instruction(_CALL, _KERNEL_FUNCTION << 4, 0, number)

    def combined(enter: bytes, leave: bytes, is_return: int) -> bytes:
        code = combine(enter, leave, is_return)
        steps = [code[at : at + SIZE] for at in range(0, len(code), SIZE)]
        if steps.count(mark) != 2:
            raise VariantStale(f"{steps.count(mark)} calls of {SESSION_COOKIE}, not 2.")
        return b"".join(call if step == mark else step for step in steps)

    return combined
