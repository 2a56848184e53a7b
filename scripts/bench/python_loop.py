"""A program as people write them: JSON, regular expressions, sorting. Run by `overhead`.

Says `1 ns_per_iteration` after each batch of 50 ms of CPU time, so that others' work on the same CPU is not in
it, from a line on stdin until its reader has gone. Imports nothing that allocates beside the work.
"""

import json
import re
import sys
import time

WORDS = re.compile(r"(\w+)-(\d+)")


def iteration(number: int) -> int:
    """One request: build, serialise, parse, search, sort."""
    rows = [
        {"name": f"row-{i}", "value": i * number % 97, "tags": ["a", str(i)]} for i in range(20)
    ]
    text = json.dumps(rows)
    again = json.loads(text)
    found = WORDS.findall(text)
    again.sort(key=lambda row: row["value"])
    return len(found) + len(sorted(found))


def main() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    number = 0
    while True:
        start = time.process_time_ns()
        done = 0
        while time.process_time_ns() - start < 50_000_000:
            number += 1
            done += 1
            iteration(number)
        spent = time.process_time_ns() - start
        try:
            sys.stdout.write(f"1 {spent / done:.0f}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            break


if __name__ == "__main__":
    main()
