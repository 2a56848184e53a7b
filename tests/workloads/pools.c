/* pools: allocators of a program's own, beside malloc and made of it.
 *
 * Known answer: one phase, in the main thread, or in N threads with `pools N` (16 at most). Each leaves:
 *   stored: of pool_store, which stores its pointer: 2 blocks of 32 bytes. Of its calls one gives the same block once
 *     more into the same variable, and two fail: one leaves what was there, one a pointer that is still held.
 *   wrapped: of wrap_get, a front of malloc: 3 blocks of 100, one of 300 after two resizes (wrap_resize), all by
 *     calls that jump or do not.
 *   carved: of carve_get(pool, count, size), out of chunks that it takes from malloc and, one, is given: 5 blocks of
 *     3 * 16. The block at the begin of a chunk has the chunk's address. The pool frees its chunk at the end of the
 *     phase, the given one outside of its functions.
 *   plain: of malloc: 4 blocks of 50.
 * Everything else is given back: nothing is unmatched. */
#include <pthread.h>
#include <stdlib.h>
#include "protocol.h"

/* --- stored ------------------------------------------------------------------------------------- */

static __thread char stored[8][32];
static __thread int used[8];

static NOINLINE int pool_store(void **out, size_t size)
{
    for (int i = 0; i < 8 && size <= 32; i++) {
        if (!used[i]) {
            used[i] = 1;
            *out = stored[i];
            return 0;
        }
    }
    return 12;
}

static NOINLINE void pool_unstore(void *block)
{
    used[((char *)block - stored[0]) / 32] = 0;
}

static NOINLINE void leave_stored(void)
{
    void *kept = NULL, *again = NULL, *failed;

    pool_store(&kept, 32);
    for (int i = 0; i < 5; i++) { /* always the same, and into the same variable */
        pool_store(&again, 32);
        pool_unstore(again);
    }
    failed = again; /* nobody's now */
    pool_store(&failed, 1000);
    failed = kept; /* still held */
    pool_store(&failed, 1000);
    pool_store(&again, 32);
}

/* --- wrapped ------------------------------------------------------------------------------------ */

static NOINLINE void *wrap_get(void *unused, size_t size)
{
    (void)unused;
    return malloc(size);
}

static NOINLINE void *wrap_resize(void *unused, void *block, size_t size)
{
    (void)unused;
    return realloc(block, size);
}

static NOINLINE void wrap_put(void *unused, void *block)
{
    (void)unused;
    free(block);
}

static NOINLINE void leave_wrapped(void)
{
    void *resized;

    for (int i = 0; i < 20; i++) {
        sink = wrap_get(NULL, 100);
        if (i >= 3)
            wrap_put(NULL, sink);
    }
    resized = wrap_resize(NULL, NULL, 10);
    resized = wrap_resize(NULL, resized, 100000);
    sink = wrap_resize(NULL, resized, 300);
}

/* --- carved ------------------------------------------------------------------------------------- */

struct pool {
    char *chunks[64];
    size_t count, left;
    char *at, **table;
    size_t room;
};

static NOINLINE void *carve_get(struct pool *pool, size_t count, size_t size)
{
    size_t bytes = count * size;
    void *block;

    if (pool->left < bytes) {
        if (pool->room == pool->count) {
            pool->room = pool->room ? 2 * pool->room : 1;
            pool->table = realloc(pool->table, pool->room * sizeof *pool->table);
        }
        pool->at = pool->chunks[pool->count] = pool->table[pool->count] = malloc(1000);
        pool->count++;
        pool->left = 1000;
    }
    block = pool->at;
    pool->at += bytes;
    pool->left -= bytes;
    return block;
}

static NOINLINE void carve_put(struct pool *pool, void *block)
{
    (void)pool;
    sink = block;
}

static NOINLINE void leave_carved(struct pool *pool)
{
    for (int i = 0; i < 5; i++)
        sink = carve_get(pool, 3, 16);
}

static NOINLINE void use_carved(void)
{
    struct pool pool = {0};
    void *blocks[200];
    char *given = malloc(960);

    pool.table = malloc(sizeof *pool.table);
    pool.room = 1;
    pool.at = given;
    pool.left = 960;
    for (int i = 0; i < 200; i++)
        blocks[i] = carve_get(&pool, 3, 16);
    for (int i = 0; i < 200; i++)
        carve_put(&pool, blocks[i]);
    for (size_t i = 0; i < pool.count; i++)
        free(pool.chunks[i]);
    free(pool.table);
    free(given);
    struct pool *lasting = calloc(1, sizeof *lasting);
    leave_carved(lasting);
}

/* --- plain -------------------------------------------------------------------------------------- */

static NOINLINE void leave_plain(void)
{
    for (int i = 0; i < 4; i++)
        sink = malloc(50);
}

static pthread_barrier_t all_done; /* else a thread's own memory is the next one's */

static NOINLINE void *phase(void *alone)
{
    leave_stored();
    leave_wrapped();
    use_carved();
    leave_plain();
    if (!alone)
        pthread_barrier_wait(&all_done);
    return NULL;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 0;
    pthread_t threads[16];

    ready();
    if (!count)
        phase(threads);
    else
        pthread_barrier_init(&all_done, NULL, (unsigned)(count < 16 ? count : 16));
    for (int i = 0; i < count && i < 16; i++)
        pthread_create(&threads[i], NULL, phase, NULL);
    for (int i = 0; i < count && i < 16; i++)
        pthread_join(threads[i], NULL);
    done();
    return 0;
}
