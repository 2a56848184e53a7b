/* stuck: a process that is stuck, made from a file that nobody can read.
 *
 * "ready" is followed by a line with three numbers: the stuck process, the one that holds the lock of
 * its memory, and 1 where a writer waits for that lock. It lasts until end of file on stdin, the end of
 * this process in any way, or 20 s (argument 2): then /dev/fuse is closed, and the kernel fails what waits.
 *
 * This process is a file system (FUSE, in a mount namespace of its own) with one file, the root itself,
 * whose reads are never answered. A child maps it; another child reads that mapping through
 * /proc/PID/mem, which holds the child's mmap lock for reading (access_remote_vm) over the page fault.
 * With the argument "writer" the first child then unmaps another page: it waits for the lock, and
 * whoever comes later, also only to read, waits behind it. Ends with status 77 where this cannot be had. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "protocol.h"

enum { PAGE = 4096, UNAVAILABLE = 77 };

static void need(int works, const char *what)
{
    if (!works) {
        perror(what);
        exit(UNAVAILABLE);
    }
}

/* --- the file system ------------------------------------------------------------------------------- */

static void reply(int device, const struct fuse_in_header *to, int error, const void *data, size_t size)
{
    char message[512];
    struct fuse_out_header header = {sizeof header + size, error, to->unique};
    memcpy(message, &header, sizeof header);
    if (size)
        memcpy(message + sizeof header, data, size);
    if (write(device, message, header.len) < 0 && errno != ENOENT) /* ENOENT: given up meanwhile */
        need(0, "write to /dev/fuse");
}

/* Answers one request; whether it was the read, which is not. */
static int serve(int device)
{
    static char request[FUSE_MIN_READ_BUFFER + 65536] __attribute__((aligned(8)));
    const struct fuse_in_header *in = (const void *)request;
    const struct fuse_init_in *asked = (const void *)(in + 1);
    struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .max_write = PAGE};
    struct fuse_attr_out attributes = {
        .attr_valid = 1000, .attr = {.ino = 1, .size = PAGE, .mode = S_IFREG | 0400, .nlink = 1}};
    struct fuse_open_out opened = {0};

    need(read(device, request, sizeof request) > 0, "read from /dev/fuse");
    switch (in->opcode) {
    case FUSE_INIT:
        init.minor = asked->minor < FUSE_KERNEL_MINOR_VERSION ? asked->minor : FUSE_KERNEL_MINOR_VERSION;
        reply(device, in, 0, &init, sizeof init);
        return 0;
    case FUSE_GETATTR:
        reply(device, in, 0, &attributes, sizeof attributes);
        return 0;
    case FUSE_OPEN:
        reply(device, in, 0, &opened, sizeof opened);
        return 0;
    case FUSE_READ:
        return 1;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        return 0;
    default:
        reply(device, in, -ENOSYS, NULL, 0);
        return 0;
    }
}

/* --- the two children ------------------------------------------------------------------------------ */

/* Maps `path`, tells `told` where, and at the next word from `word_from` unmaps another page. */
static void be_stuck(const char *path, int told, int word_from)
{
    char word;
    int file = open(path, O_RDONLY);
    struct stat status; /* until then the root of a file system has no size */
    need(file >= 0 && fstat(file, &status) == 0, "open of the file");
    void *mapped = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
    void *other = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(mapped != MAP_FAILED && other != MAP_FAILED, "mmap of the file");
    need(write(told, &mapped, sizeof mapped) == sizeof mapped, "write to a pipe");
    if (read(word_from, &word, 1) == 1 && word == 'w')
        munmap(other, PAGE);
    pause();
}

static void hold_lock(pid_t of, void *at)
{
    char path[64], byte;
    snprintf(path, sizeof path, "/proc/%d/mem", of);
    int memory = open(path, O_RDONLY);
    need(memory >= 0, path);
    pread(memory, &byte, 1, (off_t)at);
    pause();
}

static pid_t child(int device, const char *name)
{
    pid_t maker = getpid(), pid = fork();
    need(pid >= 0, "fork");
    if (pid == 0) {
        close(device); /* its last descriptor is the parent's, whose end is the end of it all */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, name);
        if (getppid() != maker)
            _exit(1);
    }
    return pid;
}

/* --- the whole ------------------------------------------------------------------------------------- */

/* A file system whose root is a file, over /dev/fuse itself, which is a file on every host. */
static int mount_file(void)
{
    char options[100];
    int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    need(device >= 0, "/dev/fuse");
    need(unshare(CLONE_NEWNS) == 0, "unshare of the mount namespace");
    need(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "mount --make-rprivate");
    snprintf(options, sizeof options, "fd=%d,rootmode=100400,user_id=0,group_id=0", device);
    need(mount("stuck", "/dev/fuse", "fuse", MS_NOSUID | MS_NODEV, options) == 0, "mount of fuse");
    return device;
}

/* Serves until `other` can be read or has ended, or, without one, until the read has come. */
static void serve_until(int device, int other)
{
    struct pollfd ends[] = {{device, POLLIN, 0}, {other, POLLIN, 0}};
    while (poll(ends, 2, -1) >= 0 && !ends[1].revents)
        if (ends[0].revents && serve(device) && other < 0)
            return;
}

int main(int count, char **words)
{
    int writer = count > 1 && strcmp(words[1], "writer") == 0;
    int to_maker[2], to_stuck[2];
    void *mapped;
    char line[64];

    alarm(count > 2 ? (unsigned)atoi(words[2]) : 20);
    signal(SIGPIPE, SIG_IGN);
    int device = mount_file();
    need(pipe2(to_maker, O_CLOEXEC) == 0 && pipe2(to_stuck, O_CLOEXEC) == 0, "pipe");
    pid_t stuck = child(device, "stuck-process");
    if (stuck == 0) {
        close(to_maker[0]);
        close(to_stuck[1]);
        be_stuck("/dev/fuse", to_maker[1], to_stuck[0]);
    }
    close(to_maker[1]);
    close(to_stuck[0]);
    serve_until(device, to_maker[0]);
    need(read(to_maker[0], &mapped, sizeof mapped) == sizeof mapped, "mapping the file");
    pid_t holder = child(device, "stuck-holder");
    if (holder == 0)
        hold_lock(stuck, mapped);
    serve_until(device, -1); /* the page is asked for with the lock held */
    if (writer)
        need(write(to_stuck[1], "w", 1) == 1, "write to a pipe");

    say("ready\n");
    snprintf(line, sizeof line, "%d %d %d\n", stuck, holder, writer);
    say(line);
    serve_until(device, STDIN_FILENO);
    close(device);
    kill(stuck, SIGKILL);
    kill(holder, SIGKILL);
    while (wait(NULL) > 0)
        ;
    return 0;
}
