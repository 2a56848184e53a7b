/* starts: holds memory from its constructors on, then does what its arguments say, and ends with status 0.
 *
 * Known answer, each by a function of that name, of a constructor or of main:
 *   in_constructor   3 blocks of 100 bytes
 *   in_library       5 blocks of 200 bytes   libstarts.so, which starts needs, and starts_static has not
 *   in_preloaded     7 blocks of 300 bytes   libearly.so, if it is preloaded
 *   keep            10 blocks of  64 bytes
 *   drop            20 blocks of  32 bytes, freed
 * Arguments, in turn:
 *   deep             6 blocks of 16 bytes, one below each of six frames of 8 KiB
 *   make FILE        makes an empty file
 *   say WORD         says a line
 *   line             reads a line
 *   answer           says "int" of each SIGINT and "term" of each SIGTERM from now on
 *   await            says "ready" and waits for a signal, again and again
 *   fork             forks a child that takes 1,000 blocks, frees half of them and what it was forked with
 *   vfork, spawn     has a child by vfork(2), posix_spawn(3) that takes nothing
 *   threads N PAIRS  N threads, each with so many pairs in `pair`, and one block of 24 bytes in `in_thread`
 *   close            closes all descriptors
 *   leave MS         ends its first thread; so much later another one takes a block of 24 bytes in `in_thread`,
 *                    then exit(5)
 *   signal N         sends itself a signal
 *   exec CMD ...     becomes that program
 *   again N ...      becomes itself N times, then goes on with what follows
 *   exit N           calls exit(N) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include "protocol.h"

enum { KEPT = 10, DROPPED = 20, DEEP = 6, CHILD = 1000, MOST_THREADS = 16 };

extern char **environ;
static void *kept[KEPT];
static int pairs, later_ms;
static volatile char after;

static NOINLINE void in_constructor(void)
{
    for (int i = 0; i < 3; i++)
        sink = malloc(100);
}

static __attribute__((constructor)) void construct(void)
{
    in_constructor();
    after = 0;
}

static NOINLINE void keep(void)
{
    for (int i = 0; i < KEPT; i++)
        kept[i] = malloc(64);
}

static NOINLINE void drop(void)
{
    for (int i = 0; i < DROPPED; i++) {
        sink = malloc(32);
        free(sink);
    }
}

static NOINLINE void deep(int left)
{
    volatile char room[8192];
    room[0] = 0;
    sink = malloc(16);
    if (left > 1)
        deep(left - 1);
    after = room[0];
}

static NOINLINE void in_child(void)
{
    for (int i = 0; i < CHILD; i++) {
        sink = malloc(10);
        if (i % 2)
            free(sink);
    }
    for (int i = 0; i < KEPT; i++)
        free(kept[i]);
}

static void await_child(pid_t child)
{
    if (child < 0 || waitpid(child, NULL, 0) != child)
        _exit(1);
}

static NOINLINE void by_vfork(void)
{
    pid_t child = vfork();
    if (child == 0)
        _exit(0);
    await_child(child);
}

static NOINLINE void pair(void)
{
    void *volatile block = malloc(48);
    free(block);
}

static NOINLINE void *in_thread(void *unused)
{
    for (int i = 0; i < pairs; i++)
        pair();
    sink = malloc(24);
    return unused;
}

static void threads(int count)
{
    pthread_t thread[MOST_THREADS];
    for (int i = 0; i < count; i++)
        if (pthread_create(&thread[i], NULL, in_thread, NULL) != 0)
            _exit(1);
    for (int i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
}

static void *last_thread(void *unused)
{
    sleep_ms(later_ms);
    in_thread(unused);
    exit(5);
}

static void answered(int number)
{
    say(number == SIGINT ? "int\n" : "term\n");
}

static void again(char **words)
{
    static char left[12], *now[64] = {"/proc/self/exe", "again", left};
    int count = atoi(words[1]), i = 3;
    if (count == 0)
        return;
    snprintf(left, sizeof left, "%d", count - 1);
    for (words += 2; *words && i < 63; words++)
        now[i++] = *words;
    execv(now[0], now);
    _exit(1);
}

int main(int argc, char **words)
{
    static char *true_words[] = {"true", NULL};
    pid_t child;
    (void)argc;
    keep();
    drop();
    for (words++; *words; words++) {
        const char *word = *words;
        if (!strcmp(word, "deep")) {
            deep(DEEP);
        } else if (!strcmp(word, "make")) {
            int fd = open(*++words, O_CREAT | O_WRONLY, 0600);
            if (fd < 0 || close(fd) != 0)
                return 1;
        } else if (!strcmp(word, "say")) {
            say(*++words);
            say("\n");
        } else if (!strcmp(word, "line")) {
            wait_for_line();
        } else if (!strcmp(word, "answer")) {
            signal(SIGINT, answered);
            signal(SIGTERM, answered);
        } else if (!strcmp(word, "await")) {
            say("ready\n");
            for (;;)
                pause();
        } else if (!strcmp(word, "fork")) {
            child = fork();
            if (child == 0) {
                in_child();
                _exit(0);
            }
            await_child(child);
        } else if (!strcmp(word, "vfork")) {
            by_vfork();
        } else if (!strcmp(word, "spawn")) {
            if (posix_spawn(&child, "/bin/true", NULL, NULL, true_words, environ) != 0)
                return 1;
            await_child(child);
        } else if (!strcmp(word, "threads")) {
            int count = atoi(*++words);
            pairs = atoi(*++words);
            threads(count);
        } else if (!strcmp(word, "close")) {
            for (int fd = 0; fd < 1024; fd++)
                close(fd);
        } else if (!strcmp(word, "leave")) {
            pthread_t thread;
            later_ms = atoi(*++words);
            if (pthread_create(&thread, NULL, last_thread, NULL) != 0)
                return 1;
            pthread_exit(NULL);
        } else if (!strcmp(word, "signal")) {
            kill(getpid(), atoi(*++words));
        } else if (!strcmp(word, "exec")) {
            execvp(words[1], words + 1);
            return 1;
        } else if (!strcmp(word, "again")) {
            again(words);
            words++;
        } else if (!strcmp(word, "exit")) {
            exit(atoi(*++words));
        } else {
            return 2;
        }
    }
    return 0;
}
