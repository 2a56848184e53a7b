/* clone_vm: a child that shares its parent's memory as long as the parent lives, beside one that was
 * forked and does not. Says their pids first ("shared PID", "forked PID"), then "ready"; nothing is allocated. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include "protocol.h"

static char stack[64 * 1024] __attribute__((aligned(16)));

static int wait_for_the_end(void *unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
    return 0;
}

static void tell(const char *what, pid_t pid)
{
    char line[64];
    if (pid < 0)
        _exit(1);
    snprintf(line, sizeof line, "%s %d\n", what, pid);
    say(line);
}

int main(void)
{
    pid_t shared = clone(wait_for_the_end, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
    tell("shared", shared);
    pid_t forked = fork();
    if (forked == 0)
        wait_for_the_end(NULL);
    tell("forked", forked);
    ready();
    done();
    return 0;
}
