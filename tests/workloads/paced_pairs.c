/* paced_pairs PAIRS_PER_S: as many malloc(64)/free pairs a second, in each ms a thousandth of them, under
 * DEPTH calls of `descend`: a stack of about ten frames. From "go" until end of file on stdin.
 *
 * Says "t_ns pairs" every 100 ms: the time since "go", and how many there were by then. What it could not
 * do for want of a processor it catches up with, but for no more than 200 ms. Nothing is kept.
 *
 * Known answer: bare, on a processor of its own, PAIRS_PER_S within 1 %. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include "protocol.h"

enum { DEPTH = 5, MOST_BEHIND_NS = 200000000, SAY_NS = 100000000 };

static char line[100];
static volatile int after;

static NOINLINE void pairs(long count)
{
    for (long i = 0; i < count; i++) {
        void *p = malloc(64);
        sink = p;
        free(p);
    }
}

/* Something after its call, so that no compiler makes a jump or a loop of it. */
static NOINLINE void descend(int levels, long count)
{
    if (levels > 1)
        descend(levels - 1, count);
    else
        pairs(count);
    after = levels;
}

int main(int argc, char **argv)
{
    double per_ns = argc > 1 ? atof(argv[1]) / 1e9 : 0, due = 0;
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    long long start, said = 0, now;
    long made = 0;

    if (per_ns <= 0)
        return 2;
    ready();
    start = now_ns();
    while (poll(&in, 1, 0) == 0) {
        now = now_ns() - start;
        if (per_ns * (double)now - due > per_ns * MOST_BEHIND_NS)
            due = per_ns * (double)(now - MOST_BEHIND_NS);
        long count = (long)(per_ns * (double)now - due);
        descend(DEPTH, count);
        due += (double)count;
        made += count;
        if (now - said >= SAY_NS) {
            snprintf(line, sizeof line, "%lld %ld\n", now, made);
            say(line);
            said = now;
        }
        sleep_ms(1);
    }
    return 0;
}
