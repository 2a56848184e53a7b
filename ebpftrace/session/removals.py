"""Removing probes beside the watch: the kernel takes about 0.1 s for each."""

from ebpftrace.kernel.attach import Attachment
from ebpftrace.threads import Thread


class Removals:
    """Attachments that are being closed, each in a thread of its own."""

    def __init__(self) -> None:
        self._threads: list[Thread] = []

    def add(self, attachment: Attachment | None) -> None:
        """Start removing; None is nothing to remove."""
        if attachment is not None:
            thread = Thread(attachment.close, "removal")
            try:
                thread.start()
            except RuntimeError:  # no more of them
                attachment.close()
            self._threads = [t for t in self._threads if t.is_alive()] + [thread]

    def wait(self) -> None:
        """Until all are gone."""
        for thread in self._threads:
            thread.join()
