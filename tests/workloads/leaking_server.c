/* leaking_server [--wait] [--requests N]: a small server with two leaks, for the demo. Four threads serve
 * made-up requests, about 250 a second each, until the process is killed.
 *
 * Known answer, per request of a thread (counted from 0):
 *   session_create  leaks 1 of 4 sessions of 512 bytes (32,000 bytes/s * 4 threads in all)
 *   log_format      leaks 1 of 25 lines of 200 bytes   (2,000 bytes/s * 4 threads in all)
 *   parse_headers, render_page  are freed at the end of the request: churn
 *   cache_insert    keeps the last 256 pages of 1,024 bytes of each thread: grows at first, then stays
 * With --wait it follows the protocol: "ready", and each line makes every thread serve N (1,000 unless
 * given) requests without pauses, then "done". N requests leave, in all four threads together,
 *   session_create  N blocks of 512       (4 threads * N / 4;  N a multiple of 100)
 *   log_format      4 * N / 25 blocks of 200
 *   cache_insert    4 * min(N, 256) blocks of 1,024 (it stays there in later phases)
 * Without --wait it says "ready" and starts at once, and does not read stdin. */
#include <pthread.h>
#include <stdlib.h>
#include "protocol.h"

enum { THREADS = 4, CACHE = 256 };

struct handler {
    pthread_t thread;
    long served;
    void *cache[CACHE];
};

static struct handler handlers[THREADS];
static pthread_barrier_t start, end;
static long batch = 1000;
static int waiting;

static NOINLINE char *copy_header(size_t size)
{
    char *p = malloc(size);
    memset(p, 'h', size);
    return p;
}

static NOINLINE void parse_headers(char **headers)
{
    for (int i = 0; i < 4; i++)
        headers[i] = copy_header(32 + 16 * (size_t)i);
}

static NOINLINE void *session_create(void)
{
    char *session = malloc(512);
    memset(session, 's', 512);
    return session;
}

static NOINLINE char *log_format(void)
{
    char *line = malloc(200);
    memset(line, 'l', 200);
    return line;
}

static NOINLINE void log_request(long number)
{
    char *line = log_format();
    if (number % 25) /* the bug: an early return on every 25th */
        free(line);
}

static NOINLINE void authenticate(long number)
{
    void *session = session_create();
    if (number % 4) /* the bug: every 4th session is never closed */
        free(session);
}

static NOINLINE void cache_insert(struct handler *h, long number)
{
    void **slot = &h->cache[number % CACHE];
    free(*slot);
    *slot = malloc(1024);
    memset(*slot, 'c', 1024);
}

static NOINLINE void render_page(struct handler *h, long number)
{
    char *page = malloc(2000);
    memset(page, 'p', 2000);
    cache_insert(h, number);
    free(page);
}

static NOINLINE void handle_request(struct handler *h)
{
    char *headers[4];
    long number = h->served++;
    parse_headers(headers);
    authenticate(number);
    render_page(h, number);
    log_request(number);
    for (int i = 0; i < 4; i++)
        free(headers[i]);
}

static NOINLINE void serve(struct handler *h)
{
    if (waiting)
        pthread_barrier_wait(&start);
    for (long i = 0; i < batch; i++) {
        handle_request(h);
        if (!waiting)
            sleep_ms(4);
    }
    if (waiting)
        pthread_barrier_wait(&end);
}

static void *handler_main(void *h)
{
    for (;;)
        serve(h);
    return NULL;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--wait"))
            waiting = 1;
        else if (!strcmp(argv[i], "--requests") && i + 1 < argc)
            batch = atol(argv[++i]);
        else
            return 2;
    }
    if (batch < 1)
        return 2;
    pthread_barrier_init(&start, NULL, THREADS + 1);
    pthread_barrier_init(&end, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&handlers[i].thread, NULL, handler_main, &handlers[i]))
            return 1;
    if (!waiting) {
        say("ready\n");
        for (;;)
            pause();
    }
    for (ready();; done()) {
        pthread_barrier_wait(&start);
        pthread_barrier_wait(&end);
    }
}
