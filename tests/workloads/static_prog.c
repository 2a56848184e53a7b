/* static_prog: linked statically; static_prog_stripped is the same without symbols.
 *
 * Known answer after each phase: leak_static mallocs 10 blocks of 100 bytes, 5 of them are freed.
 *   allocated += 10 / 1,000, freed += 5 / 500, live += 5 / 500 */
#include <stdlib.h>
#include "protocol.h"

static NOINLINE void leak_static(void)
{
    for (int i = 0; i < 10; i++) {
        void *p = malloc(100);
        sink = p;
        if (i % 2)
            free(p);
    }
}

int main(void)
{
    for (ready();; done())
        leak_static();
}
