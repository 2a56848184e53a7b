"""The threads workload under the tool until it is done, and its known answer."""

import sys
import time

from tests.kernel.harness import Tracer, Workload

# Per eight allocations, reallocs among them; see tests/workloads/threads.c.
_BYTES_OF_EIGHT = 16 + 24 + 100 + 513 + 1000 + 4096 + 51 + 4000
_LIMIT_S = 3600


def main() -> int:
    """Run it; 0 where every figure is exact."""
    threads, pairs = int(sys.argv[1]), int(sys.argv[2])
    expected = (threads * pairs, threads * pairs // 8 * _BYTES_OF_EIGHT)
    with Workload("threads", threads, pairs) as target, Tracer(target, interval=1.0) as tracer:
        started = time.monotonic()
        target.go()
        tracer.until(lambda picture: picture.freed == expected, _LIMIT_S)
        seconds = time.monotonic() - started
        target.expect("done")
        final = tracer.finish().final
    print(f"{threads} threads x {pairs} pairs in {seconds:.0f} s")
    print(f"allocated {final.allocated}, expected {expected}")
    print(f"freed     {final.freed}, expected {expected}")
    print(f"held      {final.held}, lost {final.faults or 'nothing'}")
    exact = final.allocated == final.freed == expected and final.held == (0, 0)
    return 0 if exact and not final.faults else 1


if __name__ == "__main__":
    sys.exit(main())
