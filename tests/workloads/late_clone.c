/* late_clone: a child by clone(CLONE_VM) that stays, and three seconds after its start allocates from its
 * parent's heap; the parent frees some of that.
 *
 * Known answer: in the first phase the child mallocs 100 blocks of 64 bytes in child_blocks, of which the
 * parent then frees 40. allocated 100 / 6,400, freed 40 / 2,560, live 60 / 3,840 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include "protocol.h"

static void *block[100];
static volatile int made;
static char stack[64 * 1024] __attribute__((aligned(16)));

static NOINLINE void child_blocks(void)
{
    for (int i = 0; i < 100; i++)
        block[i] = malloc(64);
}

static int child(void *unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sleep(3);
    child_blocks();
    made = 1;
    for (;;)
        pause();
    return 0;
}

int main(void)
{
    ready();
    if (clone(child, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL) < 0)
        return 1;
    while (!made)
        usleep(1000);
    for (int i = 0; i < 40; i++)
        free(block[i]);
    done();
    return 0;
}
