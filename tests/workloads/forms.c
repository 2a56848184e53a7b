/* forms [F...]: a tight loop of one form of allocation after the other, of 64 bytes each, for ever, from "go"
 * until end of file on stdin: 1 malloc and free, 2 operator new and delete as a compiler that knows the type
 * calls it (with the size), 3 the same without the size. Says "F ns_per_pair" after each batch of about 50 ms,
 * in CPU time. Nothing is kept. Built with each C library, without C++ where that has none (WITHOUT_CXX: 1
 * alone); the operators are called by their names in the Itanium C++ ABI, so that no compiler leaves out a
 * pair.
 *
 * The block that a loop is given again and again begins no page: tcmalloc frees those another way, one of 128.
 *
 * Known answer: nothing is held between the pairs but what was there at "ready". */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "protocol.h"

#ifndef WITHOUT_CXX
void *_Znwm(unsigned long size);
void _ZdlPv(void *block);
void _ZdlPvm(void *block, unsigned long size);
#else
#define _Znwm malloc
#define _ZdlPv free
#define _ZdlPvm(block, size) free(block)
#endif

#define PAIRS(take, give)                                                                                              \
    do {                                                                                                               \
        for (int i = 0; i < 500; i++) {                                                                                \
            void *p = take(64);                                                                                        \
            sink = p;                                                                                                  \
            give;                                                                                                      \
        }                                                                                                              \
        n += 500;                                                                                                      \
    } while (now_ns() - start < 50000000)

static NOINLINE long run(int form)
{
    long n = 0;
    long long start = now_ns();
    if (form == 1)
        PAIRS(malloc, free(p));
    else if (form == 2)
        PAIRS(_Znwm, _ZdlPvm(p, 64));
    else
        PAIRS(_Znwm, _ZdlPv(p));
    return n;
}

static void pass_over_page_starts(void)
{
    void *p;
    while ((uintptr_t)(p = malloc(64)) % 8192 == 0)
        sink = p;
    free(p);
}

int main(int argc, char **argv)
{
    static char line[100];
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    if (argc < 2)
        return 2;
    pass_over_page_starts();
    ready();
    for (int i = 0; poll(&in, 1, 0) == 0; i = (i + 1) % (argc - 1)) {
        int form = atoi(argv[i + 1]);
        long long start = cpu_ns();
        long n = run(form);
        snprintf(line, sizeof line, "%d %.1f\n", form, (double)(cpu_ns() - start) / (double)n);
        say(line);
    }
    return 0;
}
