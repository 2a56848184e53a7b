/* grows: memory taken in every way that page faults tell of, and pages that are no growth. PAGE is 4096 bytes,
 * huge pages are off but where it says so. What is mapped is mapped in "main", before "ready", so that the
 * mode's other source, mappings, has nothing to add. "grown" is what the sites in a function come to.
 *
 * Phase 1, touched: touch writes 2048 pages: grown 2048. read_into has the kernel fill 1024 by a read() of
 *   /dev/zero: grown 1024.
 * Phase 2, not counted: look_at reads 512 pages that were never written; of_file writes 64 pages of a shared
 *   file; shared writes 64 pages of shared memory: grown 0 each.
 * Phase 3, copied: looks_first writes the 512 pages of look_at: grown 512. own_copy writes 64 pages of a
 *   private mapping of a file: grown 64.
 * Phase 4, huge pages: huge writes 64 MiB that may come in huge pages: grown as much as RssAnon.
 * Phase 5, fork: a child writes in_child 1024 pages that touch had written: grown 1024, and waits; then the
 *   parent writes alone 512 of the pages that the child has not: grown 512.
 * Phase 6, after it: the child is ended; the parent writes again its other 512 pages, which nobody shares any
 *   more: grown 0.
 * Phase 7, threads: 200 threads write of_thread 16 pages each: grown 3200.
 * Phase 8, given back: again writes 256 pages and gives them back, 10 times: grown 256. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "protocol.h"

enum { PAGE = 4096, MIB = 1 << 20, THREADS = 200, EACH = 16 };

static char *area, *filled, *read_first, *file_shared, *file_own, *memory_shared, *large, *of_threads, *back;

static char *map(size_t size, int flags, int fd)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
    if (p == MAP_FAILED) {
        say("wrong\n");
        _exit(1);
    }
    madvise(p, size, MADV_NOHUGEPAGE);
    return p;
}

#define WRITE(p, pages) \
    for (volatile char *at_ = (p); at_ < (p) + (size_t)(pages) * PAGE; at_ += PAGE) \
        *at_ = 1

static NOINLINE void touch(void)
{
    WRITE(area, 2048);
}

static NOINLINE void read_into(void)
{
    int zero = open("/dev/zero", O_RDONLY);
    for (size_t done_ = 0; done_ < 1024 * PAGE;) {
        ssize_t n = read(zero, filled + done_, 1024 * PAGE - done_);
        if (n <= 0)
            _exit(1);
        done_ += (size_t)n;
    }
    close(zero);
}

static NOINLINE int look_at(void)
{
    int sum = 0;
    for (int i = 0; i < 512; i++)
        sum += ((volatile char *)read_first)[i * PAGE];
    return sum;
}

static NOINLINE void of_file(void)
{
    WRITE(file_shared, 64);
}

static NOINLINE void shared(void)
{
    WRITE(memory_shared, 64);
}

static NOINLINE void looks_first(void)
{
    WRITE(read_first, 512);
}

static NOINLINE void own_copy(void)
{
    WRITE(file_own, 64);
}

static NOINLINE void huge(void)
{
    memset(large, 1, 64 * MIB);
}

static NOINLINE void in_child(void)
{
    WRITE(area, 1024);
}

static NOINLINE void alone(void)
{
    WRITE(area + 1024 * PAGE, 512);
}

static NOINLINE void again_alone(void)
{
    WRITE(area + 1536 * PAGE, 512);
}

static NOINLINE void *of_thread(void *number)
{
    WRITE(of_threads + (size_t)number * EACH * PAGE, EACH);
    return NULL;
}

static pthread_barrier_t together;

static void *run_thread(void *number)
{
    pthread_barrier_wait(&together);
    of_thread(number);
    pthread_barrier_wait(&together);
    return NULL;
}

static NOINLINE void run_threads(pthread_t *threads)
{
    pthread_barrier_wait(&together);
    pthread_barrier_wait(&together);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static NOINLINE void again(void)
{
    for (int i = 0; i < 10; i++) {
        WRITE(back, 256);
        madvise(back, 256 * PAGE, MADV_DONTNEED);
    }
}

static pid_t start_child(void)
{
    int pipes[2];
    char c = 1;
    if (pipe(pipes))
        _exit(1);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        in_child();
        if (write(pipes[1], &c, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    if (read(pipes[0], &c, 1) != 1)
        _exit(1);
    alone();
    return child;
}

int main(void)
{
    static pthread_t threads[THREADS];
    char name[] = "/tmp/ebpftrace-grows-XXXXXX";
    pthread_attr_t small;
    int file = mkstemp(name);

    if (file < 0 || ftruncate(file, 64 * PAGE))
        return 1;
    unlink(name);
    area = map(2048 * PAGE, MAP_PRIVATE, -1);
    filled = map(1024 * PAGE, MAP_PRIVATE, -1);
    read_first = map(512 * PAGE, MAP_PRIVATE, -1);
    file_shared = map(64 * PAGE, MAP_SHARED, file);
    file_own = map(64 * PAGE, MAP_PRIVATE, file);
    memory_shared = map(64 * PAGE, MAP_SHARED, -1);
    of_threads = map(THREADS * EACH * PAGE, MAP_PRIVATE, -1);
    back = map(256 * PAGE, MAP_PRIVATE, -1);
    large = map(66 * MIB, MAP_PRIVATE, -1);
    large = (char *)(((size_t)large + 2 * MIB - 1) & ~(size_t)(2 * MIB - 1));
    madvise(large, 64 * MIB, MADV_HUGEPAGE);
    pthread_barrier_init(&together, NULL, THREADS + 1);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], &small, run_thread, (void *)i))
            return 1;
    ready();
    touch();
    read_into();
    done();
    look_at();
    of_file();
    shared();
    done();
    looks_first();
    own_copy();
    done();
    huge();
    done();
    pid_t child = start_child();
    done();
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    again_alone();
    done();
    run_threads(threads);
    done();
    again();
    done();
    return 0;
}
