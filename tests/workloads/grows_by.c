/* grows_by HOW KIB: takes KIB kibibytes of fresh memory a second from the first line on, in steps of 10 ms, until
 * it is killed. What it has taken, in KiB, it says every second: "took N".
 *
 * heap:  leak_here mallocs and writes blocks of 100 bytes and keeps them (10 % of the heap is malloc's own);
 *        churn_here mallocs and frees a thousand blocks of 200 to 1,000 bytes in each step, four of a
 *        size, for which malloc's caches are enough: what leaks could lie in memory that churn has touched
 *        first, and page faults would say so.
 * read:  read_here mallocs 64 KiB and has the kernel fill it from /dev/zero.
 * fork:  a child writes, in copy_here, to pages that its parent has written and waits with. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "protocol.h"

enum { PAGE = 4096, BLOCK = 100, FILLED = 64 << 10, AREA = 256 << 20 };

static char *area;
static size_t at;
static int zero;

static NOINLINE size_t leak_here(size_t size)
{
    size_t took = 0;
    for (; took < size; took += BLOCK) {
        char *p = malloc(BLOCK);
        memset(p, 1, BLOCK);
        sink = p;
    }
    return took;
}

static NOINLINE void churn_here(void)
{
    void *kept[200];
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < 200; j++)
            sink = kept[j] = memset(malloc(200 + 16 * (j / 4)), 1, 200);
        for (int j = 0; j < 200; j++)
            free(kept[j]);
    }
}

static NOINLINE size_t read_here(size_t size)
{
    size_t took = 0;
    for (; took < size; took += FILLED) {
        char *p = malloc(FILLED);
        sink = p;
        if (read(zero, p, FILLED) != FILLED)
            _exit(1);
    }
    return took;
}

static NOINLINE size_t copy_here(size_t size)
{
    size_t took = 0;
    for (; took < size && at < AREA; took += PAGE, at += PAGE)
        ((volatile char *)area)[at] = 2;
    sink = area;
    return took;
}

static void report(size_t took)
{
    char line[32];
    snprintf(line, sizeof(line), "took %zu\n", took >> 10);
    say(line);
}

int main(int argc, char **argv)
{
    struct timespec step = {0, 10000000};
    size_t took = 0, said = 0;
    long long began;
    double rate;

    if (argc < 3)
        return 1;
    rate = atof(argv[2]) * 1024;
    zero = open("/dev/zero", O_RDONLY);
    if (!strcmp(argv[1], "fork")) {
        area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        madvise(area, AREA, MADV_NOHUGEPAGE);
        memset(area, 1, AREA);
    }
    ready();
    if (area && fork()) {
        waitpid(-1, NULL, 0);
        return 0;
    }
    if (area)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    began = now_ns();
    for (;;) {
        double due = rate * (double)(now_ns() - began) / 1e9;
        size_t wanted = due > (double)took ? (size_t)due - took : 0;
        if (area)
            took += copy_here(wanted);
        else if (!strcmp(argv[1], "read"))
            took += wanted >= FILLED ? read_here(wanted) : 0;
        else {
            took += leak_here(wanted);
            churn_here();
        }
        if (now_ns() - began > (long long)(said + 1) * 1000000000LL) {
            said++;
            report(took);
        }
        nanosleep(&step, NULL);
    }
}
