/* loop_time: how fast this process can allocate, for ever, from "go" until end of file on stdin.
 *
 * Every 50 ms it times a batch of malloc(64)/free pairs and says "t_ms ns_per_pair" (time since "go").
 * The batch is 1,000 pairs, or as many as fit into 20 ms. Nothing is kept: blocks 0, bytes 0. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include "protocol.h"

static char line[100];

static NOINLINE double batch(void)
{
    long long start = now_ns(), end = start;
    int pairs = 0;
    while (pairs < 1000 && end - start < 20000000) {
        for (int i = 0; i < 100; i++) {
            void *p = malloc(64);
            sink = p;
            free(p);
        }
        pairs += 100;
        end = now_ns();
    }
    return (double)(end - start) / pairs;
}

int main(void)
{
    ready();
    long long start = now_ns();
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    while (poll(&in, 1, 50) == 0) {
        double ns = batch();
        snprintf(line, sizeof line, "%lld %.1f\n", (now_ns() - start) / 1000000, ns);
        say(line);
    }
    return 0;
}
