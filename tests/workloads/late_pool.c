/* liblate.so: a plugin that brings its own malloc along, to which its own calls are bound (-Bsymbolic), and
 * takes from it before dlopen returns. For latecomer.c, which has the known answer. */
#include <stdlib.h>
#include "own_pool.h"
#include "protocol.h"

NOINLINE void *malloc(size_t size)
{
    return pool_take(size);
}

NOINLINE void *calloc(size_t count, size_t size)
{
    return pool_take(count * size); /* never given twice: it is zero */
}

NOINLINE void free(void *block)
{
    (void)block;
}

NOINLINE void *realloc(void *block, size_t size)
{
    void *other = pool_take(size);
    if (block && other)
        memcpy(other, block, pool_size(block) < size ? pool_size(block) : size);
    return other;
}

static NOINLINE void in_late_constructor(void)
{
    sink = malloc(50);
    sink = malloc(50);
}

__attribute__((constructor)) static void construct(void)
{
    in_late_constructor();
}

static NOINLINE void keep_late(void)
{
    for (int i = 0; i < 10; i++)
        sink = malloc(100);
}

static NOINLINE void drop_late(void)
{
    for (int i = 0; i < 5; i++) {
        void *p = malloc(40);
        sink = p;
        free(p);
    }
}

static NOINLINE void grow_late(void)
{
    void *p = malloc(70);
    sink = p;
    sink = realloc(p, 700);
}

void work(void)
{
    keep_late();
    drop_late();
    grow_late();
}
