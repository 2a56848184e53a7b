/* injector.so: preloaded into the tool, writes down its calls to the kernel, and lets one of them fail or wait.
 *
 * INJECT_FILE  a file of 4 MiB that the tool shares with its forks: how many calls there were of those that
 *              INJECT_CALL names, how many of them were met, the length of the log, and the log, which has a line
 *              "WHO NAME WHAT" for each call. WHO is "tool" or the name of the process; WHAT is the command of
 *              bpf() and ioctl(), the path of open() and rename().
 * INJECT_CALL  such a line, or how it begins; the names are below
 * INJECT_AT    which of them, from 1 on; with a "+" every one from there on as well
 * INJECT_ERRNO the number that it fails with
 * INJECT_FROM  a part of a path: calls count from the first open() of one, which is where the tool itself begins
 * INJECT_PAUSE "TELL WAIT", two FIFOs: instead it writes a byte to one and waits for one from the other
 * INJECT_CLOCK "SECONDS MS": the wall clock jumps by so much, MS after the start
 *
 * What the tool starts by exec is left alone, and calls within the C library are not seen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { FILE_SIZE = 4 << 20, MOST_WORD = 200 };

static struct shared {
    atomic_uint seen, met, length;
    char log[];
} *shared;
static char from[MOST_WORD], call[MOST_WORD], tell[MOST_WORD], wait_for[MOST_WORD];
static unsigned at, from_there_on;
static int number;
static pid_t tool;
static long long jump_s, jump_at_ns;

/* The C library's `name`, with the type of its declaration. */
#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static long long real_ns(clockid_t clock, struct timespec *t)
{
    REAL(clock_gettime);
    return real(clock, t) ? 0 : t->tv_sec * 1000000000LL + t->tv_nsec;
}

static struct shared *share(const char *path)
{
    REAL(mmap);
    int file = open(path, O_RDWR | O_CLOEXEC);
    void *mapped = real(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file < 0 || mapped == MAP_FAILED)
        _exit(98);
    close(file);
    return mapped;
}

/* Takes a word of the environment out of it. */
static const char *take(const char *name, char *to)
{
    const char *given = getenv(name);
    snprintf(to, MOST_WORD, "%s", given ? given : "");
    unsetenv(name);
    return given ? to : NULL;
}

__attribute__((constructor)) static void begin(void)
{
    char word[MOST_WORD], both[2 * MOST_WORD], *end;
    struct timespec t;
    long long after_ms;

    tool = getpid();
    take("LD_PRELOAD", word);
    take("INJECT_CALL", call);
    take("INJECT_FROM", from);
    if (take("INJECT_AT", word)) {
        at = (unsigned)strtoul(word, &end, 10);
        from_there_on = *end == '+';
    }
    if (take("INJECT_ERRNO", word))
        number = atoi(word);
    if (take("INJECT_CLOCK", word) && sscanf(word, "%lld %lld", &jump_s, &after_ms) == 2)
        jump_at_ns = real_ns(CLOCK_MONOTONIC, &t) + after_ms * 1000000;
    if (getenv("INJECT_PAUSE")) {
        snprintf(both, sizeof both, "%s", getenv("INJECT_PAUSE"));
        unsetenv("INJECT_PAUSE");
        sscanf(both, "%199s %199s", tell, wait_for);
    }
    if (take("INJECT_FILE", word))
        shared = share(word);
}

static void pause_here(void)
{
    char byte = 'x';
    int to = open(tell, O_WRONLY | O_CLOEXEC), gate = open(wait_for, O_RDONLY | O_CLOEXEC);
    if (write(to, &byte, 1) == 1)
        while (read(gate, &byte, 1) < 0 && errno == EINTR)
            ;
    close(to);
    close(gate);
}

/* Is this call to fail? Then errno says by what. It may have waited. */
static int meets(const char *name, const char *what)
{
    static atomic_int begun;
    char line[MOST_WORD + 100], who[16] = "";
    if (!begun && !strcmp(name, "open") && strstr(what, from))
        begun = 1;
    if (!shared || !begun)
        return 0;
    prctl(PR_GET_NAME, who);
    int length = snprintf(line, sizeof line, "%s %s %.*s\n", getpid() == tool ? "tool" : who, name, MOST_WORD, what);
    unsigned here = atomic_fetch_add(&shared->length, (unsigned)length);
    if (here + (unsigned)length < FILE_SIZE - sizeof *shared)
        memcpy(shared->log + here, line, (size_t)length);
    if (!at || strncmp(line, call, strlen(call)))
        return 0;
    unsigned n = atomic_fetch_add(&shared->seen, 1) + 1;
    if (n < at || (n > at && !from_there_on))
        return 0;
    atomic_fetch_add(&shared->met, 1);
    if (*tell)
        pause_here();
    errno = number;
    return number != 0;
}

static int meets_number(const char *name, unsigned long what)
{
    char word[24];
    snprintf(word, sizeof word, "%lu", what);
    return meets(name, word);
}

/* --- the calls ---------------------------------------------------------------------------------------- */

long syscall(long which, ...)
{
    long given[6];
    va_list list;
    REAL(syscall);
    va_start(list, which);
    for (int i = 0; i < 6; i++)
        given[i] = va_arg(list, long);
    va_end(list);
    if (which == SYS_bpf && meets_number("bpf", (unsigned)given[0]))
        return -1;
    if (which == SYS_perf_event_open && meets("perf_event_open", ""))
        return -1;
    if (which == SYS_pidfd_open && meets("pidfd_open", ""))
        return -1;
    return real(which, given[0], given[1], given[2], given[3], given[4], given[5]);
}

#define MODE(flags, last) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { \
        va_list list; \
        va_start(list, last); \
        mode = va_arg(list, mode_t); \
        va_end(list); \
    }

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        REAL(name); \
        MODE(flags, flags) \
        return meets("open", path) ? -1 : real(path, flags, mode); \
    }

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        REAL(name); \
        MODE(flags, flags) \
        return meets("open", path) ? -1 : real(folder, path, flags, mode); \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int ioctl(int file, unsigned long request, ...)
{
    va_list list;
    REAL(ioctl);
    va_start(list, request);
    void *given = va_arg(list, void *);
    va_end(list);
    return meets_number("ioctl", request) ? -1 : real(file, request, given);
}

#define MMAP(name, offset_type) \
    void *name(void *address, size_t length, int protection, int flags, int file, offset_type offset) \
    { \
        REAL(name); \
        return meets("mmap", "") ? MAP_FAILED : real(address, length, protection, flags, file, offset); \
    }

MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

pid_t fork(void)
{
    REAL(fork);
    return meets("fork", "") ? -1 : real();
}

int pthread_create(pthread_t *made, const pthread_attr_t *how, void *(*body)(void *), void *given)
{
    REAL(pthread_create);
    return meets("pthread_create", "") ? number : real(made, how, body, given);
}

int socketpair(int domain, int type, int protocol, int ends[2])
{
    REAL(socketpair);
    return meets("socketpair", "") ? -1 : real(domain, type, protocol, ends);
}

ssize_t sendmsg(int to, const struct msghdr *message, int flags)
{
    REAL(sendmsg);
    return meets("sendmsg", "") ? -1 : real(to, message, flags);
}

int fsync(int file)
{
    REAL(fsync);
    return meets("fsync", "") ? -1 : real(file);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    REAL(renameat);
    return meets("rename", from) ? -1 : real(from_folder, from, to_folder, to);
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    return meets("rename", from) ? -1 : real(from, to);
}

/* --- the wall clock ------------------------------------------------------------------------------------- */

static long long jumped_by(void)
{
    struct timespec t;
    return jump_at_ns && real_ns(CLOCK_MONOTONIC, &t) >= jump_at_ns ? jump_s : 0;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    REAL(clock_gettime);
    int result = real(clock, t);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        t->tv_sec += jumped_by();
    return result;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    REAL(gettimeofday);
    int result = real(t, zone);
    if (result == 0)
        t->tv_sec += jumped_by();
    return result;
}

time_t time(time_t *to)
{
    struct timespec t;
    real_ns(CLOCK_REALTIME, &t);
    if (to)
        *to = t.tv_sec + jumped_by();
    return t.tv_sec + jumped_by();
}
