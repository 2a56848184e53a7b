/* pre_attach: ten blocks of 1,000 bytes exist before "ready" (so before anybody attaches).
 *
 * Known answer, cumulative (a block from before attach has no record):
 *   phase 1  frees one of them            unmatched_free 1, all totals 0
 *   phase 2  realloc of one to 5,000      adopted_blocks 1, adopted_bytes 5,000; blocks 1, bytes 5,000,
 *                                         in adopt_one
 *   phase 3  frees that one               freed_blocks 1, freed_bytes 5,000; blocks 0, bytes 0
 *   phase 4  frees two more; realloc of one to 2,000 (adopted); a realloc of another fails (nothing);
 *            malloc(300), kept            unmatched_free 3; adopted 2 and 7,000; blocks 2, bytes 2,300
 *   phase 5  realloc of another to 0      glibc frees it: blocks 2 and bytes 2,300 as before */
#include <stdint.h>
#include <stdlib.h>
#include "protocol.h"

static void *old[10];

static NOINLINE void *adopt_one(void *p, size_t size)
{
    p = realloc(p, size);
    sink = p;
    return p;
}

static NOINLINE void *fresh_block(void)
{
    void *p = malloc(300);
    sink = p;
    return p;
}

int main(void)
{
    volatile size_t huge = SIZE_MAX / 2, zero = 0;
    for (int i = 0; i < 10; i++)
        old[i] = malloc(1000);
    ready();
    free(old[0]);
    done();
    void *adopted = adopt_one(old[1], 5000);
    done();
    free(adopted);
    done();
    free(old[2]);
    free(old[3]);
    adopt_one(old[4], 2000);
    if (adopt_one(old[5], huge))
        say("wrong\n");
    fresh_block();
    done();
    if (realloc(old[6], zero))
        say("wrong\n");
    done();
    return 0;
}
