/* mtraced: leaks and other calls, for the log that glibc's mtrace() writes and for ours.
 *
 * With libc_malloc_debug.so.0 preloaded glibc writes its log to MALLOC_TRACE; without it does nothing.
 * Known answer, in a log: leaked at the lines marked so, 7 blocks of 111, 222, 333, 444, 555, 666 and 7
 * bytes (the last by strdup); 4 others are freed; 3 calls fail. Says "wrong" if one of them succeeds. */
#define _GNU_SOURCE
#include <mcheck.h>
#include <stdint.h>
#include <stdlib.h>
#include "protocol.h"

static volatile size_t huge = SIZE_MAX / 2, none = 0;

static NOINLINE void leak(void)
{
    sink = malloc(111);                /* leaked */
    sink = calloc(2, 111);             /* leaked */
    sink = realloc(NULL, 333);         /* leaked */
    sink = realloc(malloc(10), 444);   /* leaked */
    sink = reallocarray(NULL, 5, 111); /* leaked */
    sink = aligned_alloc(64, 666);     /* leaked */
    sink = strdup("leaked");
}

static NOINLINE void leave_nothing(void)
{
    void *p = malloc(20);
    sink = p;
    p = realloc(p, 2000);
    sink = p;
    free(p);
    if (posix_memalign(&p, 64, 30) == 0)
        free(p);
    sink = realloc(malloc(40), none);
}

static NOINLINE void fail(void)
{
    void *p = malloc(50);
    if (malloc(huge) || calloc(huge, 1) || realloc(p, huge))
        say("wrong\n");
    free(p);
}

int main(void)
{
    ready();
    mtrace();
    leak();
    leave_nothing();
    fail();
    muntrace();
    done();
    return 0;
}
