/* touch_time: how long the first touch of a page takes, in memory at addresses that were never used before and in
 * memory that was given back. From the first line on, until it is killed, it says every 100 ms or so:
 * "touch F A": nanoseconds a page, fresh and again, without what writing to the page takes once it is there. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "protocol.h"

enum { PAGE = 4096, PAGES = 4096 };

static double touch(volatile char *area)
{
    long long start = now_ns(), between;
    for (size_t i = 0; i < PAGES; i++)
        area[i * PAGE] = 1;
    between = now_ns();
    for (size_t i = 0; i < PAGES; i++)
        area[i * PAGE] = 2;
    return (double)(2 * between - start - now_ns()) / PAGES;
}

int main(void)
{
    char *next = (char *)0x100000000000;
    char line[64];

    ready();
    for (;; next += (size_t)PAGES * PAGE) {
        char *area = mmap(next, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (area == MAP_FAILED)
            return 1;
        madvise(area, (size_t)PAGES * PAGE, MADV_NOHUGEPAGE);
        double fresh = touch(area);
        madvise(area, (size_t)PAGES * PAGE, MADV_DONTNEED);
        double again = touch(area);
        munmap(area, (size_t)PAGES * PAGE);
        snprintf(line, sizeof(line), "touch %.1f %.1f\n", fresh, again);
        say(line);
        usleep(50000);
    }
}
