/* vfork_child [clone]: a child that shares its parent's memory, by vfork or by clone(CLONE_VM). What it
 * mallocs belongs to its parent's heap.
 *
 * Known answer: the child mallocs 100 blocks of 64 bytes in child_blocks; the parent frees 40 of them.
 *   allocated 100 / 6,400, freed 40 / 2,560, live 60 / 3,840 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include "protocol.h"

static void *block[100];
static char stack[64 * 1024] __attribute__((aligned(16)));

static NOINLINE void child_blocks(void)
{
    for (int i = 0; i < 100; i++)
        block[i] = malloc(64);
}

static int child(void *unused)
{
    (void)unused;
    child_blocks();
    _exit(0);
}

int main(int argc, char **argv)
{
    pid_t pid;
    (void)argv;
    ready();
    if (argc > 1)
        pid = clone(child, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
    else
        pid = vfork();
    if (pid == 0)
        child(NULL);
    if (pid < 0 || waitpid(pid, NULL, 0) != pid)
        return 1;
    for (int i = 0; i < 40; i++)
        free(block[i]);
    done();
    return 0;
}
