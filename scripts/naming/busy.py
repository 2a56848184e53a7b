"""A python3 that allocates in many ways, and keeps what it gets for a while. Run by `symbol-bench`.

Its first argument may be a library to load. Says `ready`, and works from a line on stdin until its
reader has gone. For whatever python3 the system has.
"""

import collections
import ctypes
import importlib
import json
import re
import sys
import time
from xml.etree import ElementTree as ET

MODULES = ("email.message", "html.parser", "argparse", "csv", "decimal", "fractions", "textwrap")


def imported(_: int) -> object:
    for name in MODULES:
        sys.modules.pop(name, None)
        importlib.import_module(name)
    return dict(sys.modules)


def parsed(number: int) -> object:
    rows = [{"name": f"row-{i}", "value": [i * number, str(i) * 30]} for i in range(200)]
    return json.loads(json.dumps(rows)), ET.fromstring("<a>" + "<b c='d'/>" * 200 + "</a>")


def matched(number: int) -> object:
    re.purge()
    pattern = re.compile(rf"(\w+)-(\d+){number % 50}|(?:a|b|{number % 7})+[x-z]*")
    return pattern.findall("row-1 row-23 ab4xyz" * 100)


def classes(number: int) -> object:
    made = [type(f"Class{i}", (), {"__slots__": ("a", "b"), "number": i}) for i in range(20)]
    return made, [one() for one in made], compile(f"x = [i * {number} for i in y]", "<s>", "exec")


def collected(number: int) -> object:
    table: collections.defaultdict[int, list[object]] = collections.defaultdict(list)
    for i in range(500):
        table[i % 37].append((number, i, f"{i:x}".encode() * 40))
    return table, sorted(table, key=str), collections.OrderedDict(table), set(range(3000))


def main() -> None:
    held = [ctypes.CDLL(path) for path in sys.argv[1:]]
    keep: collections.deque[object] = collections.deque(maxlen=40)
    print("ready", flush=True)
    sys.stdin.readline()
    number = 0
    while held is not None:
        number += 1
        keep.extend(work(number) for work in (imported, parsed, matched, classes, collected))
        time.sleep(0.02)
        try:
            print(number, flush=True)
        except BrokenPipeError:
            break


if __name__ == "__main__":
    main()
