/* threads T N: T threads, N allocations and N deaths in each, all at once, mixed sizes.
 *
 * Known answer after each phase (every line does the work once more):
 *   allocated_blocks += T * N           freed_blocks the same         blocks 0, bytes 0
 *   allocated_bytes  += T * (N / 8) * 9800   (N must be a multiple of 8)
 * Eight allocations are: 16, 24, 100, 513, 1000, 4096 and 51 (realloc'ed to 4000): seven frees, and one
 * death by realloc. The threads exist before "ready" and live until the end. */
#include <pthread.h>
#include <stdlib.h>
#include "protocol.h"

static const size_t sizes[6] = {16, 24, 100, 513, 1000, 4096};
static pthread_barrier_t start, end;
static long pairs;

static NOINLINE void six_pairs(void)
{
    for (int i = 0; i < 6; i++) {
        char *p = malloc(sizes[i]);
        p[0] = 1;
        sink = p;
        free(p);
    }
}

static NOINLINE void resized_pair(void)
{
    void *p = malloc(51);
    sink = p;
    p = realloc(p, 4000);
    sink = p;
    free(p);
}

static void *worker(void *unused)
{
    for (;;) {
        pthread_barrier_wait(&start);
        for (long i = 0; i < pairs; i += 8) {
            six_pairs();
            resized_pair();
        }
        pthread_barrier_wait(&end);
    }
    return unused;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 4;
    pairs = argc > 2 ? atol(argv[2]) : 1000;
    if (threads < 1 || pairs < 8 || pairs % 8)
        return 2;
    pthread_barrier_init(&start, NULL, (unsigned)threads + 1);
    pthread_barrier_init(&end, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, worker, NULL))
            return 1;
    }
    for (ready();; done()) {
        pthread_barrier_wait(&start);
        pthread_barrier_wait(&end);
    }
}
