/* How a workload talks to a test: it writes "ready", waits for a line on stdin, works, writes "done",
 * waits for the next line, and so on; it leaves at end of file. Only read(2) and write(2) are used, so
 * that nothing here allocates and every count in a header comment is exact. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include <string.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone, noipa))

/* Written to, so that no pointer and no call is optimised away. */
static void *volatile sink __attribute__((unused));

static inline void say(const char *line)
{
    size_t left = strlen(line);
    while (left > 0) {
        ssize_t n = write(STDOUT_FILENO, line, left);
        if (n <= 0)
            _exit(1);
        line += n;
        left -= (size_t)n;
    }
}

/* The next line of stdin is taken and dropped; the process leaves at end of file. */
static inline void wait_for_line(void)
{
    char c;
    do {
        if (read(STDIN_FILENO, &c, 1) <= 0)
            _exit(0);
    } while (c != '\n');
}

/* Start of the first phase. */
static inline void ready(void)
{
    say("ready\n");
    wait_for_line();
}

/* End of one phase and start of the next. */
static inline void done(void)
{
    say("done\n");
    wait_for_line();
}

static inline long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* CPU time of this thread. */
static inline long long cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static inline void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

#endif
