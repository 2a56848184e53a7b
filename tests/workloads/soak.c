/* soak PAIRS_PER_S THREADS: the threads make as many births and deaths a second together, paced by the
 * millisecond, from "go" until the next line. Each keeps the last RING blocks; sizes of 16 to 4111 bytes; every
 * 16th death is one by realloc, every KEEP_EVERY-th birth a block more that `keep` never frees.
 *
 * Known answer: it says "truth ALLOCATED_BLOCKS ALLOCATED_BYTES FREED_BLOCKS FREED_BYTES", all since "go", a realloc
 * being a death and a birth, and then, still there, waits for the end of its stdin. It has all it kept then. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "protocol.h"

enum { RING = 4096, KEEP_EVERY = 1000, KEPT = 48, MOST_THREADS = 16, MOST_BEHIND_NS = 200000000 };

struct counts {
    long allocated_blocks, allocated_bytes, freed_blocks, freed_bytes;
};

struct worker {
    struct counts counts;
    void *blocks[RING];
    size_t sizes[RING];
    uint64_t random;
};

static struct worker workers[MOST_THREADS];
static pthread_barrier_t start, end;
static volatile int stopping, after;
static long rate, thread_count;
static char line[200];

static uint64_t next_random(struct worker *own)
{
    own->random ^= own->random << 13;
    own->random ^= own->random >> 7;
    own->random ^= own->random << 17;
    return own->random;
}

static void born(struct worker *own, size_t size)
{
    own->counts.allocated_blocks++;
    own->counts.allocated_bytes += (long)size;
}

static void died(struct worker *own, size_t size)
{
    own->counts.freed_blocks++;
    own->counts.freed_bytes += (long)size;
}

static NOINLINE void keep(struct worker *own)
{
    sink = malloc(KEPT);
    born(own, KEPT);
}

static NOINLINE void resize(struct worker *own, size_t slot, size_t size)
{
    void *resized = realloc(own->blocks[slot], size);
    sink = resized;
    died(own, own->sizes[slot]);
    born(own, size);
    own->blocks[slot] = resized;
    own->sizes[slot] = size;
}

static NOINLINE void renew(struct worker *own, size_t slot, size_t size)
{
    if (own->blocks[slot]) {
        free(own->blocks[slot]);
        died(own, own->sizes[slot]);
    }
    own->blocks[slot] = malloc(size);
    own->sizes[slot] = size;
    born(own, size);
}

/* From stacks of different depth. */
static NOINLINE void descend(struct worker *own, long turn, int levels)
{
    if (levels > 0) {
        descend(own, turn, levels - 1);
        after = 1;
        return;
    }
    size_t slot = (size_t)turn % RING, size = 16 + next_random(own) % 4096;
    if (own->blocks[slot] && turn % 16 == 0)
        resize(own, slot, size);
    else
        renew(own, slot, size);
    if (turn % KEEP_EVERY == 0)
        keep(own);
}

static void *work(void *argument)
{
    struct worker *own = argument;
    pthread_barrier_wait(&start);
    long long began = now_ns();
    long turn = 0;
    while (!stopping) {
        long long now = now_ns();
        long due = (long)((now - began) / 1000 * rate / thread_count / 1000000);
        for (; turn < due && !stopping; turn++)
            descend(own, turn, (int)(turn % 12));
        if (now_ns() - now > MOST_BEHIND_NS) /* what it could not do in time it does not catch up with */
            began += now_ns() - now;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    pthread_barrier_wait(&end);
    pause();
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    rate = atol(argv[1]);
    thread_count = atol(argv[2]);
    if (rate < 1 || thread_count < 1 || thread_count > MOST_THREADS)
        return 2;
    pthread_barrier_init(&start, NULL, (unsigned)thread_count + 1);
    pthread_barrier_init(&end, NULL, (unsigned)thread_count + 1);
    for (long i = 0; i < thread_count; i++) {
        pthread_t thread;
        workers[i].random = 88172645463325252ULL + (uint64_t)i;
        if (pthread_create(&thread, NULL, work, &workers[i]))
            return 1;
    }
    ready();
    pthread_barrier_wait(&start);
    wait_for_line();
    stopping = 1;
    pthread_barrier_wait(&end);
    struct counts sum = {0};
    for (long i = 0; i < thread_count; i++) {
        struct counts own = workers[i].counts;
        sum.allocated_blocks += own.allocated_blocks;
        sum.allocated_bytes += own.allocated_bytes;
        sum.freed_blocks += own.freed_blocks;
        sum.freed_bytes += own.freed_bytes;
    }
    snprintf(line, sizeof line, "truth %ld %ld %ld %ld\n", sum.allocated_blocks, sum.allocated_bytes,
             sum.freed_blocks, sum.freed_bytes);
    say(line);
    wait_for_line();
    return 0;
}
