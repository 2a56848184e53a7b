"""What is common to the scripts that Valgrind brings along."""

import re
import shutil
import subprocess

BROUGHT_BY = "valgrind"


def version(tool: str) -> str | None:
    """None where it is not installed. Both end with status 255 after saying it."""
    if shutil.which(tool) is None:
        return None
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().removeprefix(f"{tool}-")


def number(said: str) -> int:
    """Of `1,234`; a dot is nothing."""
    return 0 if said == "." else int(re.sub(",", "", said))
