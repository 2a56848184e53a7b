/* plugin_a.so, plugin_b.so: two libraries of one layout and different frames, for plugins.c. The return
 * address of leak_of_NAME in run_NAME is at the same offset in both, ROOM bytes further from its caller's.
 * What is marked `here: NAME` is a line that a frame shows. */
#include <stdlib.h>
#include "protocol.h"

static volatile int after;

#define JOINED(a, b) a##b
#define JOIN(a, b) JOINED(a, b)

void *returns_to;

NOINLINE void JOIN(leak_of_, NAME)(void)
{
    sink = malloc(100); /* here: leak */
    returns_to = __builtin_return_address(0);
}

NOINLINE void run(void)
{
    volatile char room[ROOM];
    room[0] = 0;
    JOIN(leak_of_, NAME)(); /* here: run */
    after = room[0];
}
