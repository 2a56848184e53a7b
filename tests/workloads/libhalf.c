/* libgives.so, libtakes.so: the two halves of an allocator in files of their own, both by libc's functions of
 * other names. For nested_wrapper.c, whose totals are the same with both, or either, preloaded. */
#include <stddef.h>

#ifdef GIVES
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

void *malloc(size_t size)
{
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return __libc_realloc(block, size);
}

#else
extern void __libc_free(void *);

void free(void *block)
{
    __libc_free(block);
}

/* A name of the family that is no function. */
char calloc_[64] __asm__("memalign") = "data";
#endif
