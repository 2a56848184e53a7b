/* many_sites N M: N distinct call stacks with M live blocks of 64 bytes each, more with every phase.
 *
 * Known answer after each phase: blocks += N * M, bytes += 64 * N * M, in N sites (N at most 131,072),
 * M blocks each; phases a second or more apart fall into different epochs. The stack of block i is: leaf,
 * then 17 calls of `even` or `odd`, the call next to `leaf` by the highest of i's 17 bits, then main. */
#include <stdlib.h>
#include "protocol.h"

static volatile int after;
static long per_site;

static void even(unsigned long bits, int levels);
static void odd(unsigned long bits, int levels);

static NOINLINE void leaf(void)
{
    for (long i = 0; i < per_site; i++)
        sink = malloc(64);
    after = 0;
}

static inline __attribute__((always_inline)) void descend(unsigned long bits, int levels)
{
    if (levels == 0)
        leaf();
    else if (bits & 1)
        odd(bits >> 1, levels - 1);
    else
        even(bits >> 1, levels - 1);
    after = levels;
}

static NOINLINE void even(unsigned long bits, int levels)
{
    descend(bits, levels);
}

static NOINLINE void odd(unsigned long bits, int levels)
{
    descend(bits, levels);
}

int main(int argc, char **argv)
{
    unsigned long sites = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    per_site = argc > 2 ? atol(argv[2]) : 100;
    if (sites < 1 || sites > 1UL << 17 || per_site < 1)
        return 2;
    for (ready();; done())
        for (unsigned long i = 0; i < sites; i++)
            descend(i, 17);
}
