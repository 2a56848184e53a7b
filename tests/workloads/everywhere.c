/* everywhere: what every C library has, for programs that are linked with another one or statically.
 *
 * Known answer, in functions of these names:
 *   by_malloc          100 blocks of 100 bytes, 60 of them freed             held 40 / 4,000
 *   by_calloc           50 blocks of 2 * 10 bytes                            held 50 / 1,000
 *   by_realloc          30 blocks of 10 bytes, each grown to 1,000           held 30 / 30,000
 *   by_posix_memalign    5 blocks of 256 bytes                               held 5 / 1,280
 *   by_aligned_alloc     5 blocks of 512 bytes                               held 5 / 2,560
 *   by_nothing         realloc(block, 0) of 4 blocks; what that returns is freed
 *   in_thread          each of four threads: 1,000 pairs of 32 bytes, and one block of 24 held: 4 / 96
 * held 134 blocks, 38,936 bytes. */
#include <pthread.h>
#include <stdlib.h>
#include "protocol.h"

static NOINLINE void by_malloc(void)
{
    for (int i = 0; i < 100; i++) {
        void *block = malloc(100);
        sink = block;
        if (i < 60)
            free(block);
    }
}

static NOINLINE void by_calloc(void)
{
    for (int i = 0; i < 50; i++)
        sink = calloc(2, 10);
}

static NOINLINE void by_realloc(void)
{
    for (int i = 0; i < 30; i++)
        sink = realloc(malloc(10), 1000);
}

static NOINLINE void by_posix_memalign(void)
{
    void *block;
    for (int i = 0; i < 5; i++) {
        if (posix_memalign(&block, 64, 256) != 0)
            _exit(1);
        sink = block;
    }
}

static NOINLINE void by_aligned_alloc(void)
{
    for (int i = 0; i < 5; i++)
        sink = aligned_alloc(128, 512);
}

static NOINLINE void by_nothing(void)
{
    for (int i = 0; i < 4; i++)
        free(realloc(malloc(10), 0));
}

static NOINLINE void *in_thread(void *unused)
{
    for (int i = 0; i < 1000; i++) {
        void *volatile block = malloc(32);
        free(block);
    }
    sink = malloc(24);
    return unused;
}

int main(void)
{
    pthread_t thread[4];
    ready();
    by_malloc();
    by_calloc();
    by_realloc();
    by_posix_memalign();
    by_aligned_alloc();
    by_nothing();
    for (int i = 0; i < 4; i++)
        if (pthread_create(&thread[i], NULL, in_thread, NULL) != 0)
            return 1;
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    done();
    return 0;
}
