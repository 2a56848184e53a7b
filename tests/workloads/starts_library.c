/* starts_library: a library whose constructor takes BLOCKS blocks of SIZE bytes in the function NAME. */
#include <stdlib.h>
#include "protocol.h"

static volatile int after;

static NOINLINE void NAME(void)
{
    for (int i = 0; i < BLOCKS; i++)
        sink = malloc(SIZE);
}

static __attribute__((constructor)) void construct(void)
{
    NAME();
    after = 0;
}
