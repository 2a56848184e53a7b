/* ends: holds some memory and ends in the way that it is told.
 *
 *   ends exit N     calls exit(N)
 *   ends fault      writes to address 0
 *   ends thread N   its first thread ends, a moment later the other one calls exit(N)
 *   ends exec       takes 100 blocks of 300 bytes and becomes /bin/true at once, without a phase
 *   ends hungry     takes and touches blocks of 64 KiB, and says "held N" after the N-th malloc, for ever
 *
 * Known answer: phase 1 keeps 10 blocks of 100 bytes, "done"; then it ends. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "protocol.h"

#define BITE (64 << 10)

static int status;

static NOINLINE void keep(void)
{
    for (int i = 0; i < 10; i++)
        sink = malloc(100);
}

static NOINLINE void at_last(void)
{
    for (int i = 0; i < 100; i++)
        sink = malloc(300);
}

static NOINLINE void *bite(void)
{
    return malloc(BITE);
}

static void eat(void)
{
    char line[32];

    for (int held = 1;; held++) {
        char *block = bite();
        snprintf(line, sizeof(line), "held %d\n", held);
        say(line);
        memset(block, 1, BITE);
    }
}

static void *leave_later(void *unused)
{
    (void)unused;
    sleep_ms(300);
    exit(status);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "exit";
    pthread_t other;

    status = argc > 2 ? atoi(argv[2]) : 0;
    ready();
    if (!strcmp(how, "exec")) {
        at_last();
        execl("/bin/true", "true", NULL);
    }
    keep();
    done();
    if (!strcmp(how, "fault"))
        *(volatile char *)0 = 1;
    if (!strcmp(how, "hungry"))
        eat();
    if (!strcmp(how, "thread")) {
        pthread_create(&other, NULL, leave_later, NULL);
        pthread_exit(NULL);
    }
    exit(status);
}
