"""What an alarm is, and all that are armed: each says when a snapshot is due, and why."""

import select
from collections.abc import Callable, Iterable

from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import Trigger


class Spent(Exception):
    """This alarm will never fire again; a clause says why."""


class Alarm:
    """One that never fires. `when` is a clause for the user: when it takes a snapshot.

    It fires when its `descriptor` has one of `events` (of poll); without one by pictures only.
    """

    descriptor: int | None = None
    events = select.POLLPRI

    def __init__(self, when: str) -> None:
        self.when = when

    def at_picture(self, _picture: Picture) -> Trigger | None:
        """What the picture, or a look at the host now, gives cause for. Spent."""
        return None

    def at_event(self) -> Trigger | None:
        """What the descriptor was ready for. Spent."""
        return None

    def close(self) -> None:
        """Give up the descriptor."""


class Alarms:
    """Those that are armed; one that is spent is told to `tell` and dropped."""

    def __init__(self, alarms: Iterable[Alarm], tell: Callable[[str], None]) -> None:
        self._alarms = list(alarms)
        self._tell = tell

    @property
    def descriptors(self) -> dict[int, int]:
        """Of all that have one, with the events to wait for."""
        return {
            alarm.descriptor: alarm.events for alarm in self._alarms if alarm.descriptor is not None
        }

    def at_picture(self, picture: Picture) -> list[Trigger]:
        """What they say to a picture."""
        return self._asked(self._alarms, lambda alarm: alarm.at_picture(picture))

    def at_event(self, ready: Iterable[int]) -> list[Trigger]:
        """What those say whose descriptors are `ready`."""
        numbers = set(ready)
        chosen = [alarm for alarm in self._alarms if alarm.descriptor in numbers]
        return self._asked(chosen, lambda alarm: alarm.at_event())

    def _asked(
        self, chosen: Iterable[Alarm], ask: Callable[[Alarm], Trigger | None]
    ) -> list[Trigger]:
        fired = []
        for alarm in list(chosen):
            try:
                fired.append(ask(alarm))
            except Spent as why:
                self._tell(f"no longer armed: {alarm.when}: {why}")
                self._alarms.remove(alarm)
                alarm.close()
        return [trigger for trigger in fired if trigger is not None]

    def close(self) -> None:
        """Disarm all."""
        for alarm in self._alarms:
            alarm.close()
        self._alarms.clear()
