/* private_jemalloc: a program that brings a jemalloc of its own, whose names begin with pj_.
 *
 * Known answer: 40 blocks of 100 bytes held in from_private (of 60), 30 of 50 bytes in from_libc (of 45). */
#include <stdlib.h>
#include "protocol.h"

void *pj_malloc(size_t size);
void pj_free(void *block);

static NOINLINE void from_private(void)
{
    for (int i = 0; i < 60; i++) {
        void *block = pj_malloc(100);
        sink = block;
        if (i % 3 == 0)
            pj_free(block);
    }
}

static NOINLINE void from_libc(void)
{
    for (int i = 0; i < 45; i++) {
        void *block = malloc(50);
        sink = block;
        if (i % 3 == 0)
            free(block);
    }
}

int main(void)
{
    pj_free(pj_malloc(1));
    ready();
    from_private();
    from_libc();
    done();
    return 0;
}
