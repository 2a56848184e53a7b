/* cross_free N: two producers malloc N blocks of 100 bytes each, two consumers free what they are given.
 *
 * Known answer after each phase: every tenth block of a producer is kept, for ever.
 *   allocated_blocks += 2 * N      allocated_bytes += 200 * N      all by `produce`
 *   freed_blocks += 2 * N * 9 / 10  (N must be a multiple of 10), none in the thread that allocated them
 *   blocks += 2 * N / 10            bytes += 20 * N */
#include <pthread.h>
#include <stdlib.h>
#include "protocol.h"

enum { ROOM = 256 };

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void *item[ROOM];
    int first, used;
};

static struct queue queues[2] = {
    {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0, 0},
    {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0, 0},
};
static pthread_barrier_t start, end;
static long per_producer;

static void put(struct queue *q, void *p)
{
    pthread_mutex_lock(&q->lock);
    while (q->used == ROOM)
        pthread_cond_wait(&q->changed, &q->lock);
    q->item[(q->first + q->used++) % ROOM] = p;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

static void *take(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (q->used == 0)
        pthread_cond_wait(&q->changed, &q->lock);
    void *p = q->item[q->first];
    q->first = (q->first + 1) % ROOM;
    q->used--;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
    return p;
}

static NOINLINE void *produce(void)
{
    void *p = malloc(100);
    memset(p, 1, 100);
    return p;
}

static void *producer(void *queue)
{
    for (;;) {
        pthread_barrier_wait(&start);
        for (long i = 0; i < per_producer; i++) {
            void *p = produce();
            if (i % 10)
                put(queue, p);
            else
                sink = p;
        }
        pthread_barrier_wait(&end);
    }
    return NULL;
}

static void *consumer(void *queue)
{
    for (;;) {
        pthread_barrier_wait(&start);
        for (long i = 0; i < per_producer / 10 * 9; i++)
            free(take(queue));
        pthread_barrier_wait(&end);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    per_producer = argc > 1 ? atol(argv[1]) : 1000;
    if (per_producer < 10 || per_producer % 10)
        return 2;
    pthread_barrier_init(&start, NULL, 5);
    pthread_barrier_init(&end, NULL, 5);
    for (int i = 0; i < 2; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, producer, &queues[i]) ||
            pthread_create(&t, NULL, consumer, &queues[i]))
            return 1;
    }
    for (ready();; done()) {
        pthread_barrier_wait(&start);
        pthread_barrier_wait(&end);
    }
}
