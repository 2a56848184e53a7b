/* chain: leaks through plain calls, on its first thread and on another, and through libc functions that
 * allocate for their caller. Built in ways that differ in what a stack can be walked by:
 *   chain, chain_static, chain_static_pie      no frame pointers, unwind tables; the static ones also as
 *                                              ..._stripped, with no names but those of the allocator
 *   chain_debug_frame                          no frame pointers, tables in .debug_frame alone
 *   chain_untabled                             neither frame pointers nor tables
 *   chain_framed                               frame pointers and no tables
 *
 * Known answer, one phase:
 *   main > outer > middle > leak_in_chain           100 blocks of 64 bytes
 *   thread_main > leak_in_thread                    100 blocks of 48 bytes
 *   main > leak_strdup > strdup                     100 blocks of 13 bytes
 *   main > leak_asprintf > asprintf                 100 blocks
 *   main > leak_getline > getline                   100 blocks
 *   main > open_file > fopen                        10 blocks
 *   main > read_file > fgetc                        10 blocks, the buffers of these files
 * Nothing else is kept; what asprintf needs on the way is freed. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "protocol.h"

enum { TIMES = 100, FILES = 10 };

static pthread_barrier_t turn;
static FILE *files[FILES], *lines;
static char lines_buffer[4096];
static volatile int after;

static NOINLINE void leak_in_chain(void)
{
    for (int i = 0; i < TIMES; i++)
        sink = malloc(64);
}

static NOINLINE void middle(void)
{
    volatile char room[200];
    room[0] = 0;
    leak_in_chain();
    after = room[0];
}

static NOINLINE void outer(void)
{
    middle();
    after = 0;
}

static NOINLINE void leak_in_thread(void)
{
    for (int i = 0; i < TIMES; i++)
        sink = malloc(48);
}

static NOINLINE void *thread_main(void *unused)
{
    pthread_barrier_wait(&turn);
    leak_in_thread();
    pthread_barrier_wait(&turn);
    pause();
    return unused;
}

static NOINLINE void leak_strdup(void)
{
    for (int i = 0; i < TIMES; i++)
        sink = strdup("known answer");
}

static NOINLINE void leak_asprintf(void)
{
    for (int i = 0; i < TIMES; i++) {
        char *text;
        if (asprintf(&text, "known answer %d", i) < 0)
            _exit(1);
        sink = text;
    }
}

static NOINLINE void leak_getline(void)
{
    for (int i = 0; i < TIMES; i++) {
        char *line = NULL;
        size_t room = 0;
        if (getline(&line, &room, lines) < 0)
            _exit(1);
        sink = line;
    }
}

static NOINLINE void open_file(void)
{
    for (int i = 0; i < FILES; i++)
        files[i] = fopen("/proc/self/limits", "r");
}

static NOINLINE void read_file(void)
{
    for (int i = 0; i < FILES; i++)
        if (fgetc(files[i]) < 0)
            _exit(1);
}

int main(void)
{
    pthread_t thread;
    int ends[2];
    /* A stream with a buffer of its own, full of lines. */
    if (pipe(ends) != 0 || !(lines = fdopen(ends[0], "r")))
        return 1;
    setvbuf(lines, lines_buffer, _IOFBF, sizeof lines_buffer);
    for (int i = 0; i < TIMES; i++)
        if (write(ends[1], "a line\n", 7) != 7)
            return 1;
    pthread_barrier_init(&turn, NULL, 2);
    if (pthread_create(&thread, NULL, thread_main, NULL) != 0)
        return 1;
    ready();
    outer();
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    leak_strdup();
    leak_asprintf();
    leak_getline();
    open_file();
    read_file();
    done();
    return 0;
}
