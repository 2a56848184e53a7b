/* alike: four stacks that differ in one return address only. 200 rounds of `one`, `two`, `three` and `four`, each
 * called 1 to 40 times in a row, by turns that change from round to round, from one place in `main` by a
 * pointer. Each call goes on to `inner`, at the same stack pointer, which leaks malloc(64).
 *
 * Known answer: 4,100 blocks, 262,400 bytes under each of the four; nothing is lost. */
#include <stdlib.h>
#include "protocol.h"

static volatile int after;

static NOINLINE void inner(void)
{
    sink = malloc(64);
    after = 1;
}

static NOINLINE void one(void) { inner(); after = 2; }
static NOINLINE void two(void) { inner(); after = 3; }
static NOINLINE void three(void) { inner(); after = 4; }
static NOINLINE void four(void) { inner(); after = 5; }

int main(void)
{
    static void (*const callers[])(void) = {one, two, three, four};
    ready();
    for (int round = 0; round < 200; round++)
        for (int k = 0; k < 4; k++)
            for (int i = 0; i <= (round * 7 + k * 13) % 40; i++)
                callers[k]();
    done();
    return 0;
}
