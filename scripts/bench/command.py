"""What every script ends with."""

import sys
from collections.abc import Callable
from typing import NoReturn

from ebpftrace.errors import EbpftraceError


def run(name: str, main: Callable[[], int]) -> NoReturn:
    """Exit as `main` says; with a sentence where it fails, and quietly where it is interrupted."""
    try:
        sys.exit(main())
    except EbpftraceError as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
