/* allocator_maps: what allocators map for themselves is theirs. 4 threads, with stacks of 512 KiB, each malloc
 * and free 3000 blocks of 16 bytes to 4 MiB, in turn; another thread frees some that they did not.
 *
 * Held after the only phase: 10 blocks of 1 MiB, by keeps; of the family mmap 3 pages, by own_mapping, and
 * whatever the C library keeps of the 4 stacks. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "protocol.h"

enum { PAGE = 4096, MIB = 1 << 20, THREADS = 4, ROUNDS = 3000, KEPT = 64 };

static void *handed_over[THREADS];

static NOINLINE void *churns(void *number)
{
    void *kept[KEPT] = {0};
    for (int i = 0; i < ROUNDS; i++) {
        int at = i * 7 % KEPT;
        free(kept[at]);
        sink = kept[at] = malloc((size_t)16 << i % 19);
    }
    for (int i = 1; i < KEPT; i++)
        free(kept[i]);
    handed_over[(long)number] = kept[0];
    return NULL;
}

/* Its first act as a thread is a free. */
static NOINLINE void *frees(void *unused)
{
    for (int i = 0; i < THREADS; i++)
        free(handed_over[i]);
    return unused;
}

static NOINLINE void keeps(void)
{
    for (int i = 0; i < 10; i++)
        sink = malloc(MIB);
}

static NOINLINE void own_mapping(void)
{
    sink = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void run(void *(*work)(void *), long count)
{
    pthread_t threads[THREADS];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 512 * 1024);
    for (long i = 0; i < count; i++)
        if (pthread_create(&threads[i], &attributes, work, (void *)i))
            _exit(1);
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    ready();
    run(churns, THREADS);
    run(frees, 1);
    keeps();
    own_mapping();
    done();
    return 0;
}
