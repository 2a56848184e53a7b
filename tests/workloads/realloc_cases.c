/* realloc_cases [N]: what a realloc does to the totals, phase by phase. N (1,000 unless given) scales the
 * two phases with threads; it must be even.
 *
 * Known answer, cumulative (allocated blocks / bytes, freed blocks / bytes, live blocks / bytes):
 *   1 failed           malloc(1000), realloc of it fails           1 / 1000   0 / 0      1 / 1000
 *   2 to zero          malloc(2000), realloc to 0 (glibc frees)    2 / 3000   1 / 2000   1 / 1000
 *   3 null to zero     realloc(NULL, 0): a live block of 0 bytes   3 / 3000   1 / 2000   2 / 1000
 *   4 array            reallocarray NULL to 10*30, then to 20*30   5 / 3900   2 / 2300   3 / 1600
 *   5 array overflow   reallocarray of that one fails, also with   5 / 3900   2 / 2300   3 / 1600
 *                      a product that wraps to exactly 0
 *   6 up and down      malloc(100), realloc 100000, realloc 50     8 / 104050 4 / 102400 4 / 1650
 * and these add, with four threads:
 *   7 handed on        allocated  8N / 768N    freed  6N / 512N    live  2N / 256N
 *     Each thread mallocs N blocks of 64; then grows its neighbour's to 128; then frees half of those of
 *     the thread after that.
 *   8 race             allocated  8N / 16,800N   freed the same   (4N rounds of 1100 and 3100 bytes)
 *     One arena, blocks too large for the thread cache: what one thread's realloc lets go of is at once
 *     given to another thread.
 * The live ones are in keep_on_failure (1 / 1000), null_to_zero (1 / 0), grow_array (1 / 600),
 * shrink (1 / 50) and, from phase 7 on, grow_neighbours (2N / 256N). Says "wrong" if libc surprises. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include "protocol.h"

enum { THREADS = 4, MOST = 100000 };

static long count = 1000;
static void *blocks[THREADS][MOST];
static pthread_barrier_t phase;

static void expect(int truth)
{
    if (!truth)
        say("wrong\n");
}

static NOINLINE void *keep_on_failure(void)
{
    volatile size_t huge = SIZE_MAX / 2;
    void *p = malloc(1000);
    expect(realloc(p, huge) == NULL);
    return p;
}

static NOINLINE void to_zero(void)
{
    volatile size_t zero = 0;
    expect(realloc(malloc(2000), zero) == NULL);
}

static NOINLINE void *null_to_zero(void)
{
    volatile size_t zero = 0;
    void *p = realloc(NULL, zero);
    expect(p != NULL);
    return p;
}

static NOINLINE void *new_array(void)
{
    void *p = reallocarray(NULL, 10, 30);
    sink = p;
    return p;
}

static NOINLINE void *grow_array(void *p)
{
    p = reallocarray(p, 20, 30);
    expect(p != NULL);
    return p;
}

static NOINLINE void fail_array(void *p, size_t n, size_t size)
{
    expect(reallocarray(p, n, size) == NULL);
}

static NOINLINE void *grow(void *p)
{
    p = realloc(p, 100000);
    sink = p;
    return p;
}

static NOINLINE void *shrink(void *p)
{
    p = realloc(p, 50);
    sink = p;
    return p;
}

static NOINLINE void fill(void **mine)
{
    for (long i = 0; i < count; i++)
        mine[i] = malloc(64);
}

static NOINLINE void grow_neighbours(void **theirs)
{
    for (long i = 0; i < count; i++)
        theirs[i] = realloc(theirs[i], 128);
}

static NOINLINE void free_half(void **theirs)
{
    for (long i = 0; i < count; i += 2)
        free(theirs[i]);
}

static NOINLINE void race(void)
{
    for (long i = 0; i < count; i++) {
        void *p = malloc(1100);
        sink = p;
        p = realloc(p, 3100);
        sink = p;
        free(p);
    }
}

static void *worker(void *argument)
{
    long me = (long)argument;
    pthread_barrier_wait(&phase); /* 7 starts */
    fill(blocks[me]);
    pthread_barrier_wait(&phase);
    grow_neighbours(blocks[(me + 1) % THREADS]);
    pthread_barrier_wait(&phase);
    free_half(blocks[(me + 2) % THREADS]);
    pthread_barrier_wait(&phase); /* 7 has ended */
    pthread_barrier_wait(&phase); /* 8 starts */
    race();
    pthread_barrier_wait(&phase); /* 8 has ended */
    for (;;)
        pause();
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        count = atol(argv[1]);
    if (count < 2 || count > MOST || count % 2)
        return 2;
    mallopt(M_ARENA_MAX, 1);
    pthread_barrier_init(&phase, NULL, THREADS + 1);
    for (long i = 0; i < THREADS; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, worker, (void *)i))
            return 1;
    }
    ready();
    sink = keep_on_failure();
    done();
    to_zero();
    done();
    sink = null_to_zero();
    done();
    void *array = grow_array(new_array());
    done();
    fail_array(array, SIZE_MAX / 2, 4);
    fail_array(array, SIZE_MAX / 2 + 1, 2); /* the product is 2^64 */
    fail_array(array, SIZE_MAX / 2, 1);     /* no overflow, only too much */
    done();
    sink = shrink(grow(malloc(100)));
    done();
    for (int i = 0; i < 4; i++)
        pthread_barrier_wait(&phase);
    done();
    for (int i = 0; i < 2; i++)
        pthread_barrier_wait(&phase);
    done();
    return 0;
}
