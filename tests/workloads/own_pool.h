/* An allocator of some lines for workloads that bring one along: first fit from a static buffer, 16 bytes
 * of header before each block with its size. Not for threads. */
#ifndef OWN_POOL_H
#define OWN_POOL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define POOL_BYTES (1 << 20)

static char pool[POOL_BYTES] __attribute__((aligned(16)));
static size_t pool_used;

static inline void *pool_take(size_t size)
{
    size_t room = (size + 31) & ~(size_t)15;
    if (room < size || pool_used + room > POOL_BYTES)
        return NULL;
    char *block = pool + pool_used;
    *(size_t *)block = size;
    pool_used += room;
    return block + 16;
}

static inline size_t pool_size(void *block)
{
    return ((size_t *)block)[-2];
}

static inline int pool_has(void *block)
{
    return (char *)block >= pool && (char *)block < pool + POOL_BYTES;
}

#endif
