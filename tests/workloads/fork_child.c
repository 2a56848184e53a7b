/* fork_child: a child without exec works on its copy of the heap; the parent's picture is its own.
 *
 * Known answer: the parent mallocs 100 blocks of 64 bytes in parent_blocks; the child frees all its copies
 * of them and leaks 1,000 of its own (child_blocks); then the parent frees 40.
 *   allocated 100 / 6,400, freed 40 / 2,560, live 60 / 3,840; nothing of the child.
 * Before "done" it says "bare_ns A child_ns B": ns of a malloc/free pair in the fastest of ten batches, in
 * the parent before "ready" and in the child, where an unfollowed child should run at its bare speed. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "protocol.h"

static void *block[100];
static char line[100];

static NOINLINE void parent_blocks(void)
{
    for (int i = 0; i < 100; i++)
        block[i] = malloc(64);
}

static NOINLINE void child_blocks(void)
{
    for (int i = 0; i < 1000; i++)
        sink = malloc(128);
}

static NOINLINE double ns_per_pair(void)
{
    enum { BATCHES = 10, PAIRS = 20000 };
    double fastest = 1e9;
    for (int batch = 0; batch < BATCHES; batch++) {
        long long start = now_ns();
        for (int i = 0; i < PAIRS; i++) {
            void *p = malloc(64);
            sink = p;
            free(p);
        }
        double ns = (double)(now_ns() - start) / PAIRS;
        if (ns < fastest)
            fastest = ns;
    }
    return fastest;
}

int main(void)
{
    double *child_ns = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double bare_ns = ns_per_pair();
    ready();
    parent_blocks();
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 100; i++)
            free(block[i]);
        child_blocks();
        *child_ns = ns_per_pair();
        _exit(0);
    }
    waitpid(child, NULL, 0);
    for (int i = 0; i < 40; i++)
        free(block[i]);
    snprintf(line, sizeof line, "bare_ns %.1f child_ns %.1f\n", bare_ns, *child_ns);
    say(line);
    done();
    return 0;
}
