/* pace [CHILDREN GAP_MS]: how fast this process and children that it forks can allocate, by windows.
 *
 * A window is 5 ms of malloc(64)/free pairs; its pace is ns of CPU time per pair, so that a window in which
 * others had the CPU counts as well. Before "ready" comes "bare NS", the median of 20 windows.
 *
 * Without arguments it says "end_ns pace" (CLOCK_MONOTONIC) after every window, for ever, from "go" until
 * end of file. With them each "go" is a round, which ends with "done": for 200 ms windows alone, then
 * CHILDREN forks, one every GAP_MS, with windows in between. A child runs windows until one is within
 * three times the bare pace, 10 s at most, and ends. A round says of each child "child MS", from before
 * its fork to the end of its last window; and "parent BEFORE WHILE", the median pace before the first
 * fork and from there until the last child has ended. Nothing is kept: blocks 0, bytes 0.
 *
 * Known answer: untraced, no child takes longer than its fork and two windows or so. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "protocol.h"

enum { WINDOW_NS = 5000000, BARE_WINDOWS = 20, MOST_CHILDREN = 100, MOST_WINDOWS = 4000 };

static char line[100];
static double paces[MOST_WINDOWS];
static double *child_ms; /* shared with the children */

static NOINLINE double window(void)
{
    long long end = now_ns() + WINDOW_NS, cpu = cpu_ns();
    long pairs = 0;
    do {
        for (int i = 0; i < 100; i++) {
            void *p = malloc(64);
            sink = p;
            free(p);
        }
        pairs += 100;
    } while (now_ns() < end);
    return (double)(cpu_ns() - cpu) / (double)pairs;
}

/* The median of `paces`; no qsort, which may allocate. */
static double median(int count)
{
    for (int i = 1; i < count; i++) {
        double pace = paces[i];
        int at = i;
        for (; at > 0 && paces[at - 1] > pace; at--)
            paces[at] = paces[at - 1];
        paces[at] = pace;
    }
    return count ? paces[count / 2] : 0;
}

static NOINLINE void be_child(int number, long long forked, double bare)
{
    long long now;
    double pace;
    do {
        pace = window();
        now = now_ns();
    } while (pace > 3 * bare && now - forked < 10000000000LL);
    child_ms[number] = (double)(now - forked) / 1e6;
    _exit(0);
}

static void run_round(int children, int gap_ms, double bare)
{
    int windows = 0, forked = 0, ended = 0;
    long long start = now_ns();
    while (windows < MOST_WINDOWS && now_ns() - start < 200000000LL)
        paces[windows++] = window();
    double before = median(windows);
    start = now_ns();
    windows = 0;
    while (ended < children) {
        if (forked < children && now_ns() - start >= forked * (gap_ms * 1000000LL)) {
            long long moment = now_ns();
            pid_t child = fork();
            if (child == 0)
                be_child(forked, moment, bare);
            if (child < 0)
                _exit(1);
            forked++;
        }
        double pace = window();
        if (windows < MOST_WINDOWS)
            paces[windows++] = pace;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ended++;
    }
    for (int i = 0; i < children; i++) {
        snprintf(line, sizeof line, "child %.1f\n", child_ms[i]);
        say(line);
    }
    snprintf(line, sizeof line, "parent %.1f %.1f\n", before, median(windows));
    say(line);
}

int main(int argc, char **argv)
{
    int children = argc > 2 ? atoi(argv[1]) : 0, gap_ms = argc > 2 ? atoi(argv[2]) : 0;
    if ((argc != 1 && argc != 3) || children < 0 || children > MOST_CHILDREN || gap_ms < 0)
        return 2;
    child_ms = mmap(NULL, MOST_CHILDREN * sizeof *child_ms, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (child_ms == MAP_FAILED)
        return 1;
    for (int i = 0; i < BARE_WINDOWS; i++)
        paces[i] = window();
    double bare = median(BARE_WINDOWS);
    snprintf(line, sizeof line, "bare %.2f\n", bare);
    say(line);
    ready();
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    while (argc == 1 && poll(&in, 1, 0) == 0) {
        double pace = window();
        snprintf(line, sizeof line, "%lld %.2f\n", now_ns(), pace);
        say(line);
    }
    while (argc == 3) {
        run_round(children, gap_ms, bare);
        done();
    }
    return 0;
}
