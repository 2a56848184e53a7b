/* tree: a process, its child, its grandchild, and a child that runs another program.
 *
 * Known answer:
 *   before "ready"  the parent holds 40 blocks of 64 bytes, which the child inherits
 *   phase 1  "child P", "grandchild P" and "leaf P" (their pids), "done"; all of them wait
 *   phase 2  child_blocks in the child: 30 blocks of 100 bytes, and it frees the 40 that it inherited;
 *            grandchild_blocks in the grandchild: 20 blocks of 50; leaf_blocks in the leaf, after its exec: 10
 *            blocks of 200; parent_blocks in the parent: 5 blocks of 1,000; "done"
 * Those that were started end when the parent does, or after the next "go" (phase 3, then "done"). */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include "protocol.h"

enum { WORK, END };

static void *inherited[40];
static int gates[2][2], worked[2];
static char line[100];

static NOINLINE void child_blocks(void)
{
    for (int i = 0; i < 30; i++)
        sink = malloc(100);
}

static NOINLINE void grandchild_blocks(void)
{
    for (int i = 0; i < 20; i++)
        sink = malloc(50);
}

static NOINLINE void leaf_blocks(void)
{
    for (int i = 0; i < 10; i++)
        sink = malloc(200);
}

static NOINLINE void parent_blocks(void)
{
    for (int i = 0; i < 5; i++)
        sink = malloc(1000);
}

static void told(const char *who)
{
    snprintf(line, sizeof line, "%s %d\n", who, (int)getpid());
    say(line);
    if (worked[1] && write(worked[1], "b", 1) != 1)
        _exit(1);
}

/* Until the parent has closed the gate, or is gone. */
static void wait_at(int gate)
{
    char c;
    while (read(gate, &c, 1) > 0)
        ;
}

static void live(int work, int end, int done, void (*blocks)(void))
{
    wait_at(work);
    blocks();
    if (write(done, "w", 1) != 1)
        _exit(1);
    wait_at(end);
    _exit(0);
}

static void live_here(void (*blocks)(void))
{
    close(gates[WORK][1]);
    close(gates[END][1]);
    live(gates[WORK][0], gates[END][0], worked[1], blocks);
}

static NOINLINE void child_works(void)
{
    for (int i = 0; i < 40; i++)
        free(inherited[i]);
    child_blocks();
}

static void start_all(char *self)
{
    char words[3][12];
    if (fork() == 0) {
        told("child");
        if (fork() == 0) {
            told("grandchild");
            live_here(grandchild_blocks);
        }
        live_here(child_works);
    }
    if (fork() == 0) {
        told("leaf");
        close(gates[WORK][1]);
        close(gates[END][1]);
        snprintf(words[0], sizeof words[0], "%d", gates[WORK][0]);
        snprintf(words[1], sizeof words[1], "%d", gates[END][0]);
        snprintf(words[2], sizeof words[2], "%d", worked[1]);
        execl("/proc/self/exe", self, words[0], words[1], words[2], (char *)NULL);
        _exit(1);
    }
}

static void await_three(void)
{
    char c;
    for (int i = 0; i < 3; i++)
        if (read(worked[0], &c, 1) != 1)
            _exit(1);
}

int main(int argc, char **argv)
{
    if (argc > 3)
        live(atoi(argv[1]), atoi(argv[2]), atoi(argv[3]), leaf_blocks);
    for (int i = 0; i < 40; i++)
        inherited[i] = malloc(64);
    told("parent"); /* its buffer is there before it is watched */
    if (pipe(gates[WORK]) || pipe(gates[END]) || pipe(worked))
        return 1;
    ready();
    start_all(argv[0]);
    await_three();
    done();
    close(gates[WORK][1]);
    parent_blocks();
    await_three();
    done();
    close(gates[END][1]);
    while (wait(NULL) > 0)
        ;
    done();
    return 0;
}
