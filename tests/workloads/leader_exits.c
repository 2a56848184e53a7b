/* leader_exits before|later: the main thread leaves by pthread_exit, another one goes on.
 *
 * Known answer: each working phase mallocs 100 blocks of 64 bytes in worker_blocks and frees 50 of them:
 *   allocated += 100 / 6,400, freed += 50 / 3,200, live += 50 / 3,200
 *   before   the main thread is gone before "ready"; every phase works
 *   later    phase 1 works, in phase 2 only the main thread leaves ("done" comes when it is a zombie),
 *            every phase from 3 on works
 * The dying thread's cache is freed by libc itself: a few frees that match nothing, no change of totals. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include "protocol.h"

static sem_t leave;
static void *block[100];

static NOINLINE void worker_blocks(void)
{
    for (int i = 0; i < 100; i++)
        block[i] = malloc(64);
    for (int i = 0; i < 50; i++)
        free(block[i]);
}

/* Waits until the main thread is dead: state Z in its stat, behind the name's last parenthesis. */
static void wait_for_the_end_of_main(void)
{
    static char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)getpid());
    for (;; sleep_ms(1)) {
        int fd = open(path, O_RDONLY);
        ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
        close(fd);
        text[n > 0 ? n : 0] = 0;
        char *end = strrchr(text, ')');
        if (!end || end[2] == 'Z' || end[2] == 'X')
            return;
    }
}

static void *worker(void *before)
{
    if (before) {
        sem_post(&leave);
        wait_for_the_end_of_main();
    }
    ready();
    worker_blocks();
    done();
    if (!before) {
        sem_post(&leave);
        wait_for_the_end_of_main();
        done();
    }
    for (;; done())
        worker_blocks();
    return NULL;
}

/* The first pthread_exit of a process loads libgcc_s, which allocates: over before "ready". */
static void *first_to_leave(void *unused)
{
    pthread_exit(unused);
}

int main(int argc, char **argv)
{
    pthread_t t;
    if (argc != 2)
        return 2;
    sem_init(&leave, 0, 0);
    if (pthread_create(&t, NULL, first_to_leave, NULL) || pthread_join(t, NULL))
        return 1;
    if (pthread_create(&t, NULL, worker, strcmp(argv[1], "before") ? NULL : &leave))
        return 1;
    while (sem_wait(&leave))
        ;
    pthread_exit(NULL);
}
