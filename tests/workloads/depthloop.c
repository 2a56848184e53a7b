/* depthloop [D...]: a tight malloc(64)/free loop under D calls of `descend` (1, 10 and 40 in turn unless
 * given), for ever, from "go" until end of file on stdin. Says "D ns_per_pair" after each batch of about
 * 50 ms, in CPU time, so that others' work on the same CPU is not in it. Built twice: depthloop_fp and depthloop_nofp (-fomit-frame-pointer). Nothing is kept.
 *
 * Known answer: the stack of every malloc is pairs, D times descend, run_at, main. `descend` does
 * something after its call, so no compiler makes a jump or a loop of it. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include "protocol.h"

static char line[100];
static volatile int after;

static NOINLINE long pairs(void)
{
    long done_pairs = 0;
    long long start = now_ns();
    while (now_ns() - start < 50000000) {
        for (int i = 0; i < 500; i++) {
            void *p = malloc(64);
            sink = p;
            free(p);
        }
        done_pairs += 500;
    }
    return done_pairs;
}

static NOINLINE long descend(int levels)
{
    long n = levels > 1 ? descend(levels - 1) : pairs();
    after = levels;
    return n;
}

static NOINLINE void run_at(int depth)
{
    long long start = cpu_ns();
    long n = descend(depth);
    snprintf(line, sizeof line, "%d %.1f\n", depth, (double)(cpu_ns() - start) / (double)n);
    say(line);
}

int main(int argc, char **argv)
{
    static int depths[16] = {1, 10, 40};
    int count = argc > 1 ? argc - 1 : 3;
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    if (count > 16)
        return 2;
    for (int i = 1; i < argc; i++)
        if ((depths[i - 1] = atoi(argv[i])) < 1)
            return 2;
    ready();
    for (int i = 0; poll(&in, 1, 0) == 0; i = (i + 1) % count)
        run_at(depths[i]);
    return 0;
}
