/* rates PAIRS_PER_S...: allocates at a pace that it is told, and says what it holds.
 *
 * From the first "go" on, in each ms a thousandth of the pairs: malloc and free of 64 bytes in churn. Of every
 * 10th pair leak_small keeps 32 bytes, of every 100th leak_large 3,000 bytes; cache holds the last 500 of
 * 200 bytes, one more for each 5th pair. Each further "go" makes it say for each of the three "SITE BLOCKS BYTES",
 * and "done"; from then on it has the next pace, the last one for ever. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include "protocol.h"

enum { CACHED = 500 };

static void *cached[CACHED];
static long pairs, small, large, newest, held;
static char line[100];

static NOINLINE void leak_small(void)
{
    sink = malloc(32);
    small++;
}

static NOINLINE void leak_large(void)
{
    sink = malloc(3000);
    large++;
}

static NOINLINE void cache(void)
{
    free(cached[newest]);
    held += !cached[newest];
    cached[newest] = malloc(200);
    newest = (newest + 1) % CACHED;
}

static NOINLINE void churn(void)
{
    void *p = malloc(64);
    sink = p;
    free(p);
}

static void pair(void)
{
    churn();
    pairs++;
    if (pairs % 10 == 0)
        leak_small();
    if (pairs % 100 == 0)
        leak_large();
    if (pairs % 5 == 0)
        cache();
}

static void tell(void)
{
    snprintf(line, sizeof line, "leak_small %ld %ld\n", small, 32 * small);
    say(line);
    snprintf(line, sizeof line, "leak_large %ld %ld\n", large, 3000 * large);
    say(line);
    snprintf(line, sizeof line, "cache %ld %ld\n", held, 200 * held);
    say(line);
    say("done\n");
}

/* Was there a "go"? It leaves at the end of file. */
static int told(void)
{
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};

    if (poll(&in, 1, 0) <= 0)
        return 0;
    wait_for_line();
    tell();
    return 1;
}

int main(int argc, char **argv)
{
    int at = 1, last = argc - 1;
    long long start;
    double due = 0;

    ready();
    start = now_ns();
    for (;;) {
        double per_ns = argc > 1 ? atof(argv[at]) / 1e9 : 0, wanted = per_ns * (now_ns() - start);
        if (wanted - due > per_ns * 2e8) /* it cannot keep up, and does not try to */
            due = wanted - per_ns * 2e8;
        for (; due < wanted; due++)
            pair();
        sleep_ms(1);
        if (told() && at < last) {
            at++;
            start = now_ns();
            due = 0;
        }
    }
}
