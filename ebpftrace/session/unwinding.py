"""What becomes of the stacks that the kernel sends: named at once, finished where they end too early."""

import time
from collections.abc import Mapping, Sequence

from ebpftrace.drain.joining import Joiner
from ebpftrace.drain.sites import SiteBook
from ebpftrace.drain.space import Space
from ebpftrace.drain.stacks import Stack, StackBook
from ebpftrace.kernel import layout
from ebpftrace.kernel.tracer import Tracer
from ebpftrace.model.ids import Slot
from ebpftrace.model.losses import LOSSES
from ebpftrace.session.traced import Traced
from ebpftrace.session.unwinder import SOON_S, Miss, Unwinder
from ebpftrace.unwind.rules import End

REREAD_S = 5.0
"""So often the maps of a living target are read for code that is gone; more rarely where that takes long."""

LEARN_S = 0.15
_REREAD_SHARE = 0.002
_MOST_TRIES = 8  # one at least every 50 ms
_POLL_MS, _IDLE_POLLS = 10, 2
_MOST_STACK = 1 << 18  # bytes: 127 frames of 2 KB
_EARLY = (
    200  # stacks whose lines are looked up as they come; those of later ones go by what they hold
)

_LOSS = {loss.name: number for number, loss in enumerate(LOSSES)}
_FINAL = (End.OUTERMOST, End.UNSUPPORTED, End.TRUNCATED)
"""Where the kernel's walk, with all rules at hand, ends in the same way."""


class Unwinding:
    """On the poller's thread."""

    def __init__(
        self, tracer: Tracer, book: SiteBook, stacks: StackBook, spaces: Mapping[int, Space]
    ) -> None:
        self._tracer = tracer
        self._book = book
        self._stacks = stacks
        self._spaces = spaces
        self._unwinders: dict[Slot, Unwinder] = {}
        self._joiner = Joiner(book, stacks)
        self._early = _EARLY
        self._held: list[tuple[Miss, int]] = []
        """Misses that are tried again, and how often they were."""
        self._losses = dict.fromkeys(("stack_cut", "stack_truncated", "stack_guessed"), 0)

    def begin(self, traced: Traced) -> None:
        """Make rules for a slot from now on."""
        self._unwinders[traced.slot] = Unwinder(traced.space, self._tracer.rules, traced.slot)

    def end(self, slot: Slot) -> None:
        """The slot has ended: drop its rules."""
        self._hold_no_more()
        unwinder = self._unwinders.pop(slot, None)
        if unwinder is not None:
            unwinder.close()

    def on_stack(self, event: bytes) -> None:
        """Take a new stack."""
        added = self._stacks.add(event)
        if added is not None:
            slot, number, stack = added
            if stack.is_stump:
                self._joiner.met(number)
            elif stack.end == End.UNREADABLE and slot in self._unwinders:
                # Perhaps by the rules of a library that another one has taken the place of.
                self._unwinders[slot].reread(SOON_S)
            self._name(slot, stack)

    def learn(self) -> list[bytes]:
        """Make the rules for what the targets do just now: nearly all, in about 0.1 s.

        Births that are counted from then on have whole stacks from the first. Returns the events
        that came meanwhile and are somebody else's.
        """
        self._tracer.learn()
        others = []
        end = time.monotonic() + LEARN_S
        idle = 0
        while idle < _IDLE_POLLS and time.monotonic() < end:
            misses = []
            for event in self._tracer.poll_events(_POLL_MS):
                kind = layout.EVENT.unpack_from(event)[0]
                if kind == layout.EVENT_STACK:
                    self.on_stack(event)
                elif kind == layout.EVENT_MISS:
                    misses.append(Miss.of(event))
                else:
                    others.append(event)
            self._finish(misses)
            idle = 0 if misses else idle + 1
        return others

    def on_misses(self, events: Sequence[bytes]) -> None:
        """Finish the walks of some births, and credit each to the site it belongs to."""
        held, self._held = self._held, []
        tries = [*(tried + 1 for _, tried in held), *[0] * len(events)]
        misses = [*(miss for miss, _ in held), *map(self._taken, events)]
        for miss, tried, stack in zip(misses, tries, self._finish(misses), strict=True):
            if tried < _MOST_TRIES and self._is_early(miss, stack):
                self._held.append((miss, tried))
                continue
            if not miss.counted:
                continue
            self._count(stack)
            owner = miss.stump
            if stack is not None:
                owner = self._stacks.put(stack)
                self._name(miss.slot, stack)
            if stack is None or stack.is_stump:
                self._joiner.met(owner)
            self._book.credit(miss.slot, miss.ticket, owner)

    def _taken(self, event: bytes) -> Miss:
        """With more of its stack than was sent, if its process stands still."""
        miss = Miss.of(event)
        unwinder = self._unwinders.get(miss.slot)
        if not miss.held or unwinder is None:
            return miss
        stack = unwinder.memory(miss.sp, _MOST_STACK)
        return miss._replace(memory=max(stack, miss.memory, key=len))

    def _hold_no_more(self) -> None:
        if self._held:
            self._held = [(miss, _MOST_TRIES) for miss, _ in self._held]
            self.on_misses(())

    def _is_early(self, miss: Miss, stack: Stack | None) -> bool:
        """Has its stump not come, as a record before that is not written to its end, or did it meet
        code that had just been mapped, too soon to read the maps once more?
        """
        unwinder = self._unwinders.get(miss.slot)
        if unwinder is None:
            return False
        astray = stack is None or stack.end == End.UNREADABLE
        return self._stacks.get(miss.stump) is None or (astray and unwinder.waits)

    def _finish(self, misses: Sequence[Miss]) -> list[Stack | None]:
        """The stacks, and at once the rules that were missing: every moment more walks miss them.

        Only then the maps are read again, which takes some milliseconds. What they show to be gone
        makes it all be done once more.
        """
        finished = [self._finished(miss) for miss in misses]
        slots = {miss.slot for miss in misses} & self._unwinders.keys()
        changed = [self._unwinders[slot].look_again() for slot in slots]
        if any(changed):  # all of them have looked, not only up to the first
            finished = [self._finished(miss) for miss in misses]
        return finished

    def _finished(self, miss: Miss) -> Stack | None:
        """The whole stack, or a longer stump where what was sent does not lead to its end."""
        stump, unwinder = self._stacks.get(miss.stump), self._unwinders.get(miss.slot)
        if unwinder is None:
            return None
        if stump is None:
            unwinder.finish(miss, self._tracer.stack_depth)  # for the rules
            return None
        # What a guess led to is no part of the stump until a rule says that it is code.
        head = () if stump.pcs[-1:] == (miss.pc,) else (miss.pc,)
        room = self._tracer.stack_depth - len(stump.pcs) - len(head)
        rest = unwinder.finish(miss, room)
        pcs = (*head, *rest.pcs)
        end = rest.end
        if end == End.UNSUPPORTED and unwinder.is_trampoline(pcs[-1] if pcs else miss.pc):
            # Another tracer's return probe: the address is not in the slice. The kernel's walk knows it.
            pcs, end = pcs[:-1], End.NO_RULE
        elif end == End.NO_RULE:  # nothing is mapped there to run: the walk went astray
            if pcs and unwinder.rule_at(pcs[-1]) is None:  # behind a guess it is left out already
                pcs = pcs[:-1]
            end = End.UNREADABLE
        elif end not in _FINAL:  # the end of the slice
            end = End.NO_RULE
        if not pcs and end not in _FINAL:
            return None
        return stump.continued(pcs, end, guessed=rest.guessed)

    def _count(self, stack: Stack | None) -> None:
        if stack is None:
            self._losses["stack_cut"] += 1
        elif stack.end == End.TRUNCATED:
            self._losses["stack_truncated"] += 1
        elif not stack.complete:
            self._losses["stack_cut"] += 1
        elif stack.guessed:
            self._losses["stack_guessed"] += 1

    def _name(self, slot: Slot, stack: Stack) -> None:
        """Now: the process may end before the picture is drawn."""
        if slot not in self._spaces:
            return
        frames = self._spaces[slot].frames(stack.pcs)
        if self._early:
            self._early -= 1
            self._spaces[slot].refined(frames)

    def on_idle(self) -> None:
        """At least every 50 ms."""
        if self._held:
            self.on_misses(())
        for unwinder in self._unwinders.values():
            unwinder.look_for_unknown()

    def look(self, since_attach: float, *, final: bool) -> None:
        """Before each picture: what was unmapped, and stumps that can be joined by now.

        Before the `final` one nothing is held back any more.
        """
        if final:
            self._hold_no_more()
        for unwinder in self._unwinders.values():
            unwinder.reread(REREAD_S, _REREAD_SHARE)
        self._joiner.look(since_attach, final=final)

    def correct(self, losses: list[int | None]) -> None:
        """Add what was found out here to the kernel's counts, in the order of LOSSES."""
        found = {**self._losses, "rules_full": self._tracer.rules.full}
        found["stack_cut"] -= self._joiner.joined
        for name, count in found.items():
            losses[_LOSS[name]] = (losses[_LOSS[name]] or 0) + count
