/* subject BUSY [IDLE]: a program at work, to which things happen while it is watched.
 *
 * BUSY threads allocate in every form, hold 64 blocks each, and look into every block before it is freed: one
 * that is not as it was written is told by "wrong", and abort(). IDLE threads with small stacks sleep.
 *
 * From "go" on "w WORK NS" is said every 50 ms: blocks given back so far, and CPU time of the process. WORK by NS
 * is its speed, whoever else runs. A line on stdin makes something happen:
 *   fault    writes to address 0            abort  calls abort()
 *   exit     calls exit(0)                  exec   becomes itself anew, at work with no thread but the main one:
 *   leader   the main thread ends                  "again", then as before
 *   fork     a child works as well, and says "c WORK NS"; it lives as long as the process: "child PID"
 *   storm    children that end at once, one after the other, for a second: "storm"
 * It leaves at end of file. */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "protocol.h"

enum { HELD = 64, MOST_BUSY = 16, SLICE_NS = 200000, REST_MS = 3, REPORT_MS = 50 };

struct block {
    unsigned char *start;
    size_t size;
    unsigned char mark;
};

static struct {
    atomic_long given_back;
    char apart[56];
} work[MOST_BUSY];
static sem_t leave;
static char *name;

static void look(const struct block *b)
{
    if (b->size && (b->start[0] != b->mark || b->start[b->size - 1] != b->mark)) {
        say("wrong\n");
        abort();
    }
}

static void mark(struct block *b, unsigned char with)
{
    b->mark = with;
    if (b->size)
        b->start[0] = b->start[b->size - 1] = with;
}

static NOINLINE void *taken(unsigned kind, size_t size)
{
    void *p = NULL;
    switch (kind % 4) {
    case 0:
        return calloc(1, size);
    case 1:
        return posix_memalign(&p, 64, size) ? NULL : p;
    case 2:
        return aligned_alloc(32, (size + 31) & ~31UL);
    default:
        return malloc(size);
    }
}

/* One block after the other, for as long as a slice lasts. */
static void work_a_slice(struct block *held, unsigned *number, atomic_long *given_back)
{
    for (long long end = cpu_ns() + SLICE_NS; cpu_ns() < end; atomic_fetch_add(given_back, 8)) {
        for (int i = 0; i < 8; i++) {
            unsigned n = (*number)++;
            struct block *b = &held[n * 7 % HELD];
            look(b);
            if (n % 5 == 0 && b->start) {
                unsigned char *moved = realloc(b->start, b->size + 40);
                if (moved) {
                    b->start = moved;
                    look(b);
                    b->size += 40;
                    mark(b, (unsigned char)n);
                    if (b->size < 4000)
                        continue;
                }
            }
            free(b->start);
            b->size = 16 + n % 29 * 24;
            b->start = taken(n, b->size);
            if (!b->start)
                abort();
            mark(b, (unsigned char)n);
        }
    }
}

static void *be_busy(void *given_back)
{
    static _Thread_local struct block held[HELD];
    static _Thread_local unsigned number;
    for (;; sleep_ms(REST_MS))
        work_a_slice(held, &number, given_back);
    return NULL;
}

static void *be_idle(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

static void report(char who, long done)
{
    static char line[80];
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    snprintf(line, sizeof line, "%c %ld %lld\n", who, done, t.tv_sec * 1000000000LL + t.tv_nsec);
    say(line);
}

static void be_a_child(pid_t maker)
{
    static struct block held[HELD];
    unsigned number = 0;
    atomic_long done = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != maker)
        _exit(1);
    for (long long due = 0;; sleep_ms(REST_MS)) {
        work_a_slice(held, &number, &done);
        if (now_ns() >= due) {
            report('c', done);
            due = now_ns() + REPORT_MS * 1000000LL;
        }
    }
}

static void fork_one(void)
{
    char line[40];
    pid_t maker = getpid(), pid = fork();
    if (pid == 0)
        be_a_child(maker);
    snprintf(line, sizeof line, "child %d\n", (int)pid);
    say(line);
}

static void fork_many(void)
{
    for (long long end = now_ns() + 1000000000LL; now_ns() < end;) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        waitpid(pid, NULL, 0);
    }
    say("storm\n");
}

static void obey(const char *word)
{
    if (!strcmp(word, "fault"))
        *(volatile char *)0 = 1;
    else if (!strcmp(word, "abort"))
        abort();
    else if (!strcmp(word, "exit"))
        exit(0);
    else if (!strcmp(word, "exec"))
        execl("/proc/self/exe", name, "again", (char *)NULL);
    else if (!strcmp(word, "leader"))
        sem_post(&leave);
    else if (!strcmp(word, "fork"))
        fork_one();
    else if (!strcmp(word, "storm"))
        fork_many();
}

/* What stdin has by now; the process leaves at its end. */
static void listen(int ms)
{
    static char word[20];
    static size_t length;
    struct pollfd in = {STDIN_FILENO, POLLIN, 0};
    for (; poll(&in, 1, ms) > 0; ms = 0) {
        char c;
        if (read(STDIN_FILENO, &c, 1) <= 0)
            _exit(0);
        if (c != '\n') {
            if (length < sizeof word - 1)
                word[length++] = c;
            continue;
        }
        word[length] = 0;
        length = 0;
        obey(word);
    }
}

static void *tell(void *unused)
{
    (void)unused;
    for (;;) {
        long done = 0;
        listen(REPORT_MS);
        for (int i = 0; i < MOST_BUSY; i++)
            done += work[i].given_back;
        report('w', done);
    }
    return NULL;
}

static void start(void *(*body)(void *), void *given)
{
    pthread_attr_t small;
    pthread_t t;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    if (pthread_create(&t, &small, body, given))
        _exit(1);
}

static void work_alone(void)
{
    static struct block held[HELD];
    unsigned number = 0;
    say("again\n");
    for (;; listen(REPORT_MS)) {
        work_a_slice(held, &number, &work[0].given_back);
        report('w', work[0].given_back);
    }
}

int main(int argc, char **argv)
{
    int busy = argc > 1 ? atoi(argv[1]) : 1, idle = argc > 2 ? atoi(argv[2]) : 0;
    name = argv[0];
    if (argc > 1 && !strcmp(argv[1], "again"))
        work_alone();
    for (int i = 0; i < idle; i++)
        start(be_idle, NULL);
    ready();
    for (int i = 0; i < busy && i < MOST_BUSY; i++)
        start(be_busy, &work[i].given_back);
    sem_init(&leave, 0, 0);
    start(tell, NULL);
    while (sem_wait(&leave))
        ;
    pthread_exit(NULL);
}
