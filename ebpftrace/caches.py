"""Where the effective user's caches are. Who keeps something there looks at what is there first."""

import contextlib
import os
import pwd
from pathlib import Path


def default_directory() -> Path | None:
    """Where the effective user's caches are, None where that is not known. Nothing is made."""
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if chosen.is_absolute():
        return chosen / "ebpftrace"
    homes = [os.environ.get("HOME", "")]
    with contextlib.suppress(KeyError):
        homes.insert(0, pwd.getpwuid(os.geteuid()).pw_dir)
    for home in map(Path, homes):
        if home.is_absolute() and home.is_dir():
            return home / ".cache" / "ebpftrace"
    return None
