/* grows_late: threads and children that come while somebody attaches, or later. PAGE is 4096 bytes, huge pages
 * are off.
 *
 * threads: from before "ready" on threads are made, each by the one before, up to 1000, a fourth of which end
 *   at once. Phase 1: no more are made; it says how many live, and of_late writes 16 pages in each: grown 16
 *   times that.
 * child: phase 1: a child is forked off, which says "child" and its number. Phase 2: of_child writes 512 pages
 *   in it, of_parent 256 in the parent. Phase 3: the child forks another one, which writes 128 pages, of_grandchild,
 *   and ends.
 * exec: phase 1: before writes 64 pages, then the program executes itself. Phase 2: after_exec writes 128 pages.
 * ends: phase 1: a thread writes 32 pages, of_short, and ends; main's thread ends as well. Phase 2: the thread that
 *   is left writes 64 pages, of_last. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "protocol.h"

enum { PAGE = 4096, MOST = 1000, EACH = 16 };

static char *area;
static volatile int stop, made, living, writing;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_attr_t small;

static void map(size_t pages)
{
    area = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(area, pages * PAGE, MADV_NOHUGEPAGE);
}

static void fill(char *from, int pages)
{
    for (volatile char *at = from; at < from + (size_t)pages * PAGE; at += PAGE)
        *at = 1;
}

static NOINLINE void of_late(long number)
{
    fill(area + number * EACH * PAGE, EACH);
    sink = area;
}

static void nap(void)
{
    struct timespec t = {0, 2000000};
    nanosleep(&t, NULL);
}

static void *late(void *number)
{
    pthread_t next;
    long own = (long)number;

    nap();
    pthread_mutex_lock(&lock);
    if (!stop && own + 1 < MOST) {
        if (pthread_create(&next, &small, late, (void *)(own + 1)))
            _exit(1);
        made++;
    }
    if (own % 4 == 1) {
        pthread_mutex_unlock(&lock);
        return NULL;
    }
    living++;
    while (!writing)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    of_late(own);
    pthread_mutex_lock(&lock);
    living--;
    pthread_cond_broadcast(&changed);
    while (writing)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void threads(void)
{
    pthread_t first;
    char line[32];

    map(MOST * EACH);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&first, &small, late, NULL))
        _exit(1);
    ready();
    pthread_mutex_lock(&lock);
    stop = 1;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 100; i++)
        nap(); /* those that were made have come to where they wait */
    pthread_mutex_lock(&lock);
    snprintf(line, sizeof(line), "%d\n", living);
    say(line);
    writing = 1;
    pthread_cond_broadcast(&changed);
    while (living)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    done();
    _exit(0);
}

static NOINLINE void of_child(void)
{
    fill(area, 512);
    sink = area;
}

static NOINLINE void of_parent(void)
{
    fill(area + 512 * PAGE, 256);
    sink = area;
}

static NOINLINE void of_grandchild(void)
{
    fill(area + 768 * PAGE, 128);
    sink = area;
}

static void child(void)
{
    int to_child[2], to_parent[2];
    char c = 1, line[32];
    pid_t pid;

    map(1024);
    if (pipe(to_child) || pipe(to_parent))
        _exit(1);
    ready();
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (read(to_child[0], &c, 1) != 1)
            _exit(1);
        of_child();
        if (write(to_parent[1], &c, 1) != 1 || read(to_child[0], &c, 1) != 1)
            _exit(1);
        pid = fork();
        if (pid == 0) {
            of_grandchild();
            _exit(0);
        }
        waitpid(pid, NULL, 0);
        if (write(to_parent[1], &c, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    snprintf(line, sizeof(line), "child %d\n", pid);
    say(line);
    done();
    if (write(to_child[1], &c, 1) != 1 || read(to_parent[0], &c, 1) != 1)
        _exit(1);
    of_parent();
    done();
    if (write(to_child[1], &c, 1) != 1 || read(to_parent[0], &c, 1) != 1)
        _exit(1);
    done();
}

static NOINLINE void before(void)
{
    fill(area, 64);
    sink = area;
}

static NOINLINE void after_exec(void)
{
    fill(area, 128);
    sink = area;
}

static NOINLINE void of_short(void)
{
    fill(area, 32);
    sink = area;
}

static NOINLINE void of_last(void)
{
    fill(area + 32 * PAGE, 64);
    sink = area;
}

static void *shortly(void *unused)
{
    of_short();
    return unused;
}

static void *last(void *main_thread)
{
    pthread_join(*(pthread_t *)main_thread, NULL);
    done();
    of_last();
    done();
    _exit(0);
}

static void ends(void)
{
    static pthread_t own, other;

    map(128);
    own = pthread_self();
    if (pthread_create(&other, NULL, last, &own))
        _exit(1);
    ready();
    if (pthread_create(&other, NULL, shortly, NULL))
        _exit(1);
    pthread_join(other, NULL);
    pthread_exit(NULL);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 1;
    if (!strcmp(argv[1], "threads")) {
        threads();
    } else if (!strcmp(argv[1], "child")) {
        child();
    } else if (!strcmp(argv[1], "ends")) {
        ends();
    } else if (!strcmp(argv[1], "exec")) {
        map(128);
        ready();
        before();
        execl(argv[0], argv[0], "executed", NULL);
    } else {
        map(128);
        done();
        after_exec();
        done();
    }
    return 0;
}
