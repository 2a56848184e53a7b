/* nested_wrapper: run with LD_PRELOAD=libwrap.so, whose malloc, calloc, realloc and free call libc's.
 *
 * Known answer (the outermost call owns the block, sizes are what the program asked for):
 *   leak_through_wrapper   10 blocks of 100 bytes by malloc
 *   calloc_through_wrapper 1 block of 1,000 bytes by calloc
 *   grow_through_wrapper   1 block of 700 bytes by realloc, grown from the 70 of small_through_wrapper
 *   free_through_wrapper   5 blocks of 40 bytes, freed
 *   allocated 18 / 2,970, freed 6 / 270, live 12 / 2,700
 *   nested 18 (one inner call each), nested_free 5, unmatched_free 0, call_lost 0
 * Without libwrap.so the same totals, and no nested call. */
#include <stdlib.h>
#include "protocol.h"

static NOINLINE void leak_through_wrapper(void)
{
    for (int i = 0; i < 10; i++)
        sink = malloc(100);
}

static NOINLINE void calloc_through_wrapper(void)
{
    sink = calloc(10, 100);
}

static NOINLINE void *small_through_wrapper(void)
{
    void *p = malloc(70);
    sink = p;
    return p;
}

static NOINLINE void grow_through_wrapper(void *p)
{
    sink = realloc(p, 700);
}

static NOINLINE void free_through_wrapper(void)
{
    for (int i = 0; i < 5; i++) {
        void *p = malloc(40);
        sink = p;
        free(p);
    }
}

int main(void)
{
    ready();
    leak_through_wrapper();
    calloc_through_wrapper();
    grow_through_wrapper(small_through_wrapper());
    free_through_wrapper();
    done();
    return 0;
}
