/* exec_self: leaks, then becomes a new program in the same process.
 *
 * Known answer:
 *   phase 1  leak_before_exec: 10 blocks of 100 bytes, "done"
 *   phase 2  execs itself: no "done" but a new "ready"; the heap of phase 1 is gone with its address space
 *   phase 3  leak_after_exec: 20 blocks of 200 bytes, "done" */
#include <stdlib.h>
#include "protocol.h"

static NOINLINE void leak_before_exec(void)
{
    for (int i = 0; i < 10; i++)
        sink = malloc(100);
}

static NOINLINE void leak_after_exec(void)
{
    for (int i = 0; i < 20; i++)
        sink = malloc(200);
}

int main(int argc, char **argv)
{
    ready();
    if (argc > 1) {
        leak_after_exec();
        done();
        return 0;
    }
    leak_before_exec();
    done();
    execl("/proc/self/exe", argv[0], "again", (char *)NULL);
    return 1;
}
