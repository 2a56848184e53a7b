/* failures: calls of the family that fail, and frees of nothing.
 *
 * Known answer: nothing at all is recorded. Every counter of the totals stays 0, no free is unmatched,
 * no call is lost. The untouched out-parameters of posix_memalign point at a static array: a tracer that
 * reads them without looking at the result would record that address. Says "wrong" if a call succeeds. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include "protocol.h"

static char not_a_block[64];

static NOINLINE int some_call_succeeds(void)
{
    volatile size_t huge = SIZE_MAX / 2, most = SIZE_MAX - 5000, two = 2;
    void *out = not_a_block;

    if (malloc(huge) || malloc(most))
        return 1;
    if (calloc(huge + 1, two)) /* the product is 2^64: exactly 0 once it has overflowed */
        return 1;
    if (calloc(huge, two + 1) || calloc(huge, 1))
        return 1;
    if (realloc(NULL, huge) || reallocarray(NULL, huge + 1, two) || reallocarray(NULL, huge, 1))
        return 1;
    if (posix_memalign(&out, 3, 100) != EINVAL || out != not_a_block)
        return 1;
    if (posix_memalign(&out, 64, most) != ENOMEM || out != not_a_block)
        return 1;
    if (memalign(64, huge) || aligned_alloc(64, huge) || valloc(huge) || pvalloc(most))
        return 1;
    for (int i = 0; i < 1000; i++)
        free(NULL);
    return 0;
}

int main(void)
{
    for (ready();; done())
        if (some_call_succeeds())
            say("wrong\n");
}
