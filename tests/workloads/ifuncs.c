/* ifuncs_now, ifuncs_lazy: linked with libifunc.so, whose malloc is the program's; by slots that the loader
 * fills at the start, or at the first call, which is before `ready`.
 *
 * Known answer, one phase (`at-once`: without waiting), by the library's functions:
 *   keep     10 blocks of 100 bytes by malloc
 *   keep     1 block of 300 bytes by calloc
 *   drop     5 blocks of 40 bytes, freed
 *   grow     1 block of 700 bytes by realloc, from 70
 *   before   2 blocks of 50 bytes, in main before `ready`; one more each of 10 by calloc and realloc, freed */
#include <stdlib.h>
#include "protocol.h"

static NOINLINE void before(void)
{
    sink = malloc(50);
    sink = malloc(50);
    void *p = realloc(calloc(1, 10), 10);
    sink = p;
    free(p);
}

static NOINLINE void keep(void)
{
    for (int i = 0; i < 10; i++)
        sink = malloc(100);
    sink = calloc(3, 100);
}

static NOINLINE void drop(void)
{
    for (int i = 0; i < 5; i++) {
        void *p = malloc(40);
        sink = p;
        free(p);
    }
}

static NOINLINE void grow(void)
{
    void *p = malloc(70);
    sink = p;
    sink = realloc(p, 700);
}

int main(int argc, char **argv)
{
    (void)argv;
    before();
    if (argc < 2)
        ready();
    keep();
    drop();
    grow();
    if (argc < 2)
        done();
    return 0;
}
