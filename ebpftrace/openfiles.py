"""What is said where this process may open no more files."""

import resource

RAISE = "Raise it before the start: ulimit -n 65536 (systemd: LimitNOFILE=65536)."


def reached() -> str:
    """The sentences for EMFILE."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return f"This process may not open more than {most} files. {RAISE}"
