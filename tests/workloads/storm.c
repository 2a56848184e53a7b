/* storm N [MS]: N children, each of which allocates and ends at once, or after MS ms.
 *
 * Known answer: "ready"; then N children, at most 64 at a time, each of which leaks 10 blocks of 100 bytes in
 * child_blocks, and 3 blocks of 10 bytes of the parent itself in parent_blocks; "done". */
#include <stdlib.h>
#include <sys/wait.h>
#include "protocol.h"

static NOINLINE void child_blocks(void)
{
    for (int i = 0; i < 10; i++)
        sink = malloc(100);
}

static NOINLINE void parent_blocks(void)
{
    for (int i = 0; i < 3; i++)
        sink = malloc(10);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 1, ms = argc > 2 ? atoi(argv[2]) : 0, running = 0;
    ready();
    for (int i = 0; i < count; i++) {
        if (running == 64) {
            wait(NULL);
            running--;
        }
        pid_t child = fork();
        if (child < 0)
            return 1;
        if (child == 0) {
            if (ms)
                sleep_ms(ms);
            child_blocks();
            _exit(0);
        }
        running++;
    }
    while (wait(NULL) > 0)
        ;
    parent_blocks();
    done();
    return 0;
}
