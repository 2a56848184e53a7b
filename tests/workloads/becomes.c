/* becomes PROGRAM: leaks, then becomes another program; with randomisation off at overlapping addresses.
 *
 * Known answer:
 *   phase 1  main > prepare > leak_before_exec: 10 blocks of 100 bytes, "done"
 *   phase 2  PROGRAM is executed: no "done" but its "ready" */
#include <stdlib.h>
#include "protocol.h"

static volatile int after;

static NOINLINE void leak_before_exec(void)
{
    for (int i = 0; i < 10; i++)
        sink = malloc(100);
}

static NOINLINE void prepare(void)
{
    volatile char room[500];
    room[0] = 0;
    leak_before_exec();
    after = room[0];
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    ready();
    prepare();
    done();
    execv(argv[1], argv + 1);
    return 1;
}
