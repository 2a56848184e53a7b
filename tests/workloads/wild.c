/* wild: renames itself, maps, remaps and unmaps code, forks, and starts threads without a pause.
 *
 * Known answer: 10 blocks of 100 bytes in known_blocks after each phase, whatever the others do. Those:
 *   names    give the process names that look like fields of /proc, also of no encoding at all
 *   maps     map code: of this program, and of files in memory with hostile names that are no ELF, or lie
 *   forks    children of fork and vfork that end at once or run another program
 *   threads  threads that allocate and free, and end
 * With the argument `execs` there are none of them: it runs itself again up to 400 times, every 10 ms. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "protocol.h"

#define PAUSE_US 300
#define PAGES 4
#define EXECS 400

static char *const hostile[] = {
    "x) Z 1 (",  "\rUid:\t0 0 0 0", "\x1b[31mred\x1b", "a\nTgid:\t1", "\xff\xfe\x85", "9 kB",
    "[/b]\\012", " (deleted)",      "",
};
#define NAMES (sizeof hostile / sizeof *hostile)

NOINLINE void known_blocks(void)
{
    for (int i = 0; i < 10; i++)
        sink = malloc(100);
}

static _Noreturn void *names(void *unused)
{
    char path[64];
    (void)unused;
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", getpid());
    for (unsigned i = 0;; i++) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        const char *name = hostile[i % NAMES];
        if (fd >= 0 && write(fd, name, strlen(name)) < 0)
            usleep(PAUSE_US);
        close(fd);
        usleep(PAUSE_US);
    }
}

/* What says that it is an ELF file, with a header of chance behind it. */
static int lying_file(unsigned *chance, const char *name)
{
    unsigned char content[512] = "\x7f" "ELF\x02\x01\x01";
    int fd = memfd_create(name, MFD_CLOEXEC);
    for (unsigned i = 16; i < sizeof content; i++)
        content[i] = rand_r(chance) >> 8 & (rand_r(chance) & 64 ? 0xff : 0x03);
    content[54] = 56, content[55] = 0, content[58] = 64, content[59] = 0;
    if (ftruncate(fd, 4096 * PAGES) || pwrite(fd, content, sizeof content, 0) < 0)
        perror("lying_file");
    return fd;
}

static _Noreturn void *maps(void *unused)
{
    unsigned chance = 1;
    int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    (void)unused;
    for (unsigned i = 0;; i++) {
        int lies = lying_file(&chance, hostile[i % NAMES]);
        char *own = mmap(NULL, 4096 * PAGES, PROT_READ | PROT_EXEC, MAP_PRIVATE, program, 0);
        char *odd = mmap(NULL, 4096 * PAGES, PROT_READ | PROT_EXEC, MAP_PRIVATE, lies, 0);
        char *jit = mmap(NULL, 4096 * PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mprotect(jit, 4096, PROT_READ | PROT_EXEC);
        usleep(PAUSE_US);
        jit = mremap(jit, 4096 * PAGES, 4096 * 2, MREMAP_MAYMOVE);
        munmap(own + 4096, 4096);
        munmap(odd, 4096 * (1 + i % PAGES));
        mmap(own, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        usleep(PAUSE_US);
        munmap(own, 4096 * PAGES);
        munmap(odd, 4096 * PAGES);
        if (jit != MAP_FAILED)
            munmap(jit, 4096 * 2);
        close(lies);
    }
}

static _Noreturn void *forks(void *unused)
{
    extern char **environ;
    char *const nothing[] = {"\x1b[2J\nroot", NULL};
    (void)unused;
    for (unsigned i = 0;; i++) {
        pid_t child = -1;
        if (i % 3 == 0)
            child = fork();
        else if (posix_spawn(&child, i % 3 == 1 ? "/bin/true" : "/nowhere", NULL, NULL, nothing, environ))
            child = -1;
        if (!child)
            _exit(0);
        if (child > 0)
            waitpid(child, NULL, 0);
        usleep(PAUSE_US * 10);
    }
}

static void *pairs(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20; i++)
        free(malloc(24 + i));
    return NULL;
}

static _Noreturn void *threads(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_t one;
        if (!pthread_create(&one, NULL, pairs, NULL))
            pthread_join(one, NULL);
        usleep(PAUSE_US);
    }
}

static void run_again(char **arguments, int left)
{
    char number[16];
    char *const again[] = {hostile[left % NAMES], "execs", number, NULL};
    snprintf(number, sizeof number, "%d", left - 1);
    usleep(10000);
    execv("/proc/self/exe", again);
    perror(arguments[0]);
}

int main(int count, char **arguments)
{
    int execs = count > 1 && !strcmp(arguments[1], "execs");
    int left = count > 2 ? atoi(arguments[2]) : EXECS;
    if (execs && left < EXECS && left > 0)
        run_again(arguments, left);
    if (execs && left == EXECS) {
        say("ready\n");
        run_again(arguments, left);
    }
    if (!execs) {
        void *(*const wild[])(void *) = {names, maps, forks, threads};
        for (unsigned i = 0; i < sizeof wild / sizeof *wild; i++) {
            pthread_t one;
            if (pthread_create(&one, NULL, wild[i], NULL))
                abort();
        }
    }
    for (ready();; done())
        known_blocks();
}
