/* family [stay]: every function of the malloc family leaks 30,000 bytes once, then the process is gone.
 *
 * Known answer, one block of 30,000 bytes each, in a function of its own:
 *   leak_malloc leak_calloc leak_realloc_null leak_realloc_grow leak_reallocarray leak_posix_memalign
 *   leak_aligned_alloc leak_memalign leak_valloc leak_pvalloc (which rounds up by itself, but was asked
 *   for 30,000), and one made by strdup for leak_strdup.
 *   blocks 11, bytes 330,000; allocated_blocks 12, allocated_bytes 331,000; freed_blocks 1, freed_bytes
 *   1,000: the block that leak_realloc_grow grows comes from small_block.
 * glibc's aligned_alloc and memalign are one address: their sites may bear either name.
 * Without "stay" the process exits at once, without a word; with it, it says "done" and stays. */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdlib.h>
#include "protocol.h"

enum { SIZE = 30000 };
static char text[SIZE];

static NOINLINE void leak_malloc(void)
{
    sink = malloc(SIZE);
}

static NOINLINE void leak_calloc(void)
{
    sink = calloc(300, 100);
}

static NOINLINE void leak_realloc_null(void)
{
    sink = realloc(NULL, SIZE);
}

static NOINLINE void *small_block(void)
{
    void *p = malloc(1000);
    sink = p;
    return p;
}

static NOINLINE void leak_realloc_grow(void *p)
{
    sink = realloc(p, SIZE);
}

static NOINLINE void leak_reallocarray(void)
{
    sink = reallocarray(NULL, 300, 100);
}

static NOINLINE void leak_posix_memalign(void)
{
    void *p;
    if (posix_memalign(&p, 64, SIZE) == 0)
        sink = p;
}

static NOINLINE void leak_aligned_alloc(void)
{
    sink = aligned_alloc(16, SIZE);
}

static NOINLINE void leak_memalign(void)
{
    sink = memalign(256, SIZE);
}

static NOINLINE void leak_valloc(void)
{
    sink = valloc(SIZE);
}

static NOINLINE void leak_pvalloc(void)
{
    sink = pvalloc(SIZE);
}

static NOINLINE void leak_strdup(void)
{
    sink = strdup(text);
}

static NOINLINE void leak_everything(void)
{
    leak_malloc();
    leak_calloc();
    leak_realloc_null();
    leak_realloc_grow(small_block());
    leak_reallocarray();
    leak_posix_memalign();
    leak_aligned_alloc();
    leak_memalign();
    leak_valloc();
    leak_pvalloc();
    leak_strdup();
}

int main(int argc, char **argv)
{
    (void)argv;
    memset(text, 'x', SIZE - 1);
    ready();
    leak_everything();
    if (argc > 1)
        done();
    return 0;
}
