/* libifunc.so: an allocator whose functions are chosen by resolvers (IFUNC), as by what the processor can
 * do. For ifuncs.c, which has the known answer. */
#include "own_pool.h"
#include "protocol.h"

static NOINLINE void *malloc_here(size_t size)
{
    return pool_take(size);
}

static NOINLINE void *calloc_here(size_t count, size_t size)
{
    return pool_take(count * size); /* never given twice: it is zero */
}

static NOINLINE void free_here(void *block)
{
    sink = block;
}

static NOINLINE void *realloc_here(void *block, size_t size)
{
    void *other = pool_take(size);
    if (block && other)
        memcpy(other, block, pool_size(block) < size ? pool_size(block) : size);
    return other;
}

static NOINLINE void *malloc_elsewhere(size_t size)
{
    return pool_take(size + 1);
}

static volatile int elsewhere;

static void *resolve_malloc(void)
{
    return elsewhere ? (void *)malloc_elsewhere : (void *)malloc_here;
}

static void *resolve_calloc(void)
{
    return (void *)calloc_here;
}

static void *resolve_free(void)
{
    return (void *)free_here;
}

static void *resolve_realloc(void)
{
    return (void *)realloc_here;
}

void *malloc(size_t size) __attribute__((ifunc("resolve_malloc")));
void *calloc(size_t count, size_t size) __attribute__((ifunc("resolve_calloc")));
void free(void *block) __attribute__((ifunc("resolve_free")));
void *realloc(void *block, size_t size) __attribute__((ifunc("resolve_realloc")));
