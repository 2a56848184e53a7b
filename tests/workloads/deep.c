/* deep D...: for each D, 20 blocks of 32 bytes under D calls of `descend`, on a thread with a 64 MiB stack.
 * A frame of `descend` takes 600 bytes, so that a walk goes from page to page.
 *
 * Known answer, one phase for all D: 20 blocks and 640 bytes each. The stack is leak_at_depth, D times
 * descend, go_down, thread_main, and the thread's start. */
#include <pthread.h>
#include <stdlib.h>
#include "protocol.h"

static volatile int after;
static volatile long pause_ms;
static char **depths;

static NOINLINE void leak_at_depth(void)
{
    for (int i = 0; i < 20; i++) {
        sink = malloc(32);
        sleep_ms(pause_ms); /* the first one: what came at once might stay a stump of both stacks */
        pause_ms = 0;
    }
}

static NOINLINE void descend(int levels)
{
    volatile char room[600];
    room[0] = 0;
    if (levels > 1)
        descend(levels - 1);
    else
        leak_at_depth();
    after = room[0];
}

static NOINLINE void go_down(int levels)
{
    descend(levels);
    after = 0;
}

static NOINLINE void *thread_main(void *unused)
{
    ready();
    for (char **depth = depths; *depth; depth++) {
        pause_ms = 50;
        go_down(atoi(*depth));
    }
    done();
    return unused;
}

int main(int argc, char **argv)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (argc < 2)
        return 2;
    depths = argv + 1;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64UL << 20);
    if (pthread_create(&thread, &attributes, thread_main, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    return 0;
}
