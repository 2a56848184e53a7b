/* mappings: raw mappings of a program's own, cut and moved in every way. PAGE is 4096 bytes; "held" is
 * what a site holds after the phase, as mappings and pages. Nothing calls malloc before phase 4.
 *
 * Before "ready": 4 pages, and 4 others, are mapped that the watch does not know.
 *
 * Phase 1, cuts:
 *   cut_front, cut_middle, cut_back  16 pages each, 3 unmapped: held 1, 13
 *   cut_all     16 pages, unmapped in 4 calls: held 0
 *   covered     16 pages, of which over_it maps 4 anew: held 1, 12; over_it: held 1, 4
 *   given_back  16 pages, of which 6 become PROT_NONE by MAP_FIXED: held 1, 10
 *   two_of      2 x 8 pages that touch; 8 pages across both are unmapped: held 2, 8
 *   of before   munmap of the first 4 pages: unmatched_unmap 1
 * Phase 2, moves:
 *   to_grow     4 pages, mremap by grown to 32: held 0; grown: held 1, 32
 *   to_shrink   16 pages, mremap by shrunk to 4: held 0; shrunk: held 1, 4
 *   to_move     8 pages, mremap by moved over the 8 of replaced: both 0; moved: held 1, 8
 *   left_behind 4 pages, mremap by emptied with MREMAP_DONTUNMAP: held 1, 4 each
 *   fails       2 pages, and calls that fail: held 1, 2
 *   of before   mremap by adopted of the second 4 pages to 8: adopted 1, 8; held the same
 * Phase 3, kinds:
 *   own_copy    1 page of a file, private and writable: held 1, 1
 *   shared      2 pages, shared, of no file: held 1, 2
 *   not_counted a file to read, a shared file, a reservation: no site
 *   by_brk      3 pages and 100 bytes, back to 1 page: held 1, 1
 *   by_sbrk     10000 bytes, 4000 of them given back: held 1, 6000 bytes
 * Phase 4, malloc of 1 MiB: big_blocks mallocs 5 and frees 3, grows one by realloc to 8 MiB, and mallocs
 *   2 more with M_MMAP_THRESHOLD at 32 MiB: held 4 blocks, 11 MiB of malloc and realloc; no mapping.
 * Phase 5 and 6, threads: 8 threads each map and unmap 500 times, 1 to 8 pages, in one piece or three:
 *   pairs: 4000 taken, held 0. Their stacks, of 256 KiB, are made in phase 5 and used again in phase 6:
 *   8 mappings of "thread stack", held.
 * Phase 7, fork: a child unmaps all that cut_front holds, maps 100 pages and ends: nothing changes.
 * Phase 8: raw unmaps, by a system call of its own, the 5 pages it has mapped: missed_unmap 1, in time. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "protocol.h"

enum { PAGE = 4096, MIB = 1 << 20, THREADS = 8, ROUNDS = 500 };

static char *first, *second, *of_front;

static char *expect(void *p)
{
    if (p == MAP_FAILED) {
        say("wrong\n");
        _exit(1);
    }
    sink = p;
    return p;
}

static void check(int holds)
{
    if (!holds)
        expect(MAP_FAILED);
}

/* Inlined: the caller is the site. */
#define MAP(at, pages, prot, flags, fd) \
    expect(mmap((at), (size_t)(pages) * PAGE, (prot), (flags), (fd), 0))
#define OWN(pages) MAP(NULL, (pages), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1)
#define UNMAP(at, pages) check(munmap((at), (size_t)(pages) * PAGE) == 0)

static NOINLINE void cut_front(void)
{
    of_front = OWN(16);
    UNMAP(of_front, 3);
}

static NOINLINE void cut_middle(void)
{
    char *p = OWN(16);
    UNMAP(p + 5 * PAGE, 3);
}

static NOINLINE void cut_back(void)
{
    char *p = OWN(16);
    UNMAP(p + 13 * PAGE, 3);
}

static NOINLINE void cut_all(void)
{
    char *p = OWN(16);
    UNMAP(p + 4 * PAGE, 4);
    UNMAP(p, 4);
    UNMAP(p + 12 * PAGE, 4);
    UNMAP(p + 8 * PAGE, 4);
}

static NOINLINE void over_it(char *p)
{
    MAP(p, 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1);
}

static NOINLINE void covered(void)
{
    char *p = OWN(16);
    over_it(p + 4 * PAGE);
}

static NOINLINE void given_back(void)
{
    char *p = OWN(16);
    MAP(p + 5 * PAGE, 6, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1);
}

static NOINLINE void two_of(char *room)
{
    for (int i = 0; i < 2; i++)
        MAP(room + i * 8 * PAGE, 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1);
    UNMAP(room + 4 * PAGE, 8);
}

static void phase_1(void)
{
    cut_front();
    cut_middle();
    cut_back();
    cut_all();
    covered();
    given_back();
    two_of(MAP(NULL, 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1));
    UNMAP(first, 4);
}

#define REMAP(p, from, to, flags, ...) \
    expect(mremap((p), (size_t)(from) * PAGE, (size_t)(to) * PAGE, (flags), ##__VA_ARGS__))

static NOINLINE char *to_grow(void)
{
    return OWN(4);
}

static NOINLINE void grown(char *p)
{
    REMAP(p, 4, 32, MREMAP_MAYMOVE);
}

static NOINLINE char *to_shrink(void)
{
    return OWN(16);
}

static NOINLINE void shrunk(char *p)
{
    check(REMAP(p, 16, 4, 0) == p);
}

static NOINLINE char *to_move(void)
{
    return OWN(8);
}

static NOINLINE char *replaced(void)
{
    return OWN(8);
}

static NOINLINE void moved(char *p, char *to)
{
    check(REMAP(p, 8, 8, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
}

static NOINLINE char *left_behind(void)
{
    return OWN(4);
}

static NOINLINE void emptied(char *p)
{
    REMAP(p, 4, 4, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
}

static NOINLINE void adopted(char *p)
{
    REMAP(p, 4, 8, MREMAP_MAYMOVE);
}

static NOINLINE void fails(void)
{
    char *room = MAP(NULL, 8, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    char *p = MAP(room, 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1);
    check(munmap(p + 1, PAGE) == -1);
    check(munmap(p, 0) == -1);
    check(mremap(p, 2 * PAGE, 4 * PAGE, 0) == MAP_FAILED); /* something is behind it */
    check(mremap(p, 2 * PAGE, (size_t)1 << 60, MREMAP_MAYMOVE) == MAP_FAILED);
    check(mmap(NULL, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    check(mmap(NULL, (size_t)1 << 60, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
          MAP_FAILED);
    check(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1, 0) == MAP_FAILED);
}

static void phase_2(void)
{
    grown(to_grow());
    shrunk(to_shrink());
    moved(to_move(), replaced());
    emptied(left_behind());
    fails();
    adopted(second);
}

static NOINLINE void own_copy(int file)
{
    MAP(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, file);
}

static NOINLINE void shared(void)
{
    MAP(NULL, 2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
}

static NOINLINE void not_counted(int file)
{
    MAP(NULL, 1, PROT_READ, MAP_PRIVATE, file);
    MAP(NULL, 1, PROT_READ, MAP_SHARED, file);
    MAP(NULL, 100, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

static NOINLINE void by_brk(void)
{
    char *start = sbrk(0);
    check(brk(start + 3 * PAGE + 100) == 0);
    check(brk(start + PAGE) == 0);
}

static NOINLINE void by_sbrk(void)
{
    expect(sbrk(10000));
    expect(sbrk(-4000));
}

static void phase_3(void)
{
    int file = open("/proc/self/exe", O_RDONLY);
    own_copy(file);
    shared();
    not_counted(file);
    by_brk();
    by_sbrk();
}

static NOINLINE void big_blocks(void)
{
    void *blocks[5];
    for (int i = 0; i < 5; i++)
        sink = blocks[i] = malloc(MIB);
    for (int i = 0; i < 3; i++)
        free(blocks[i]);
    sink = realloc(blocks[3], 8 * MIB);
    mallopt(M_MMAP_THRESHOLD, 32 * MIB);
    for (int i = 0; i < 2; i++)
        sink = malloc(MIB);
}

static pthread_barrier_t together;

static NOINLINE void *pairs(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&together); /* all stacks at once, none used twice */
    for (int i = 0; i < ROUNDS; i++) {
        int pages = 1 + i % 8;
        char *p = OWN(pages);
        if (pages < 3) {
            UNMAP(p, pages);
        } else {
            UNMAP(p + PAGE, 1);
            UNMAP(p, 1);
            UNMAP(p + 2 * PAGE, pages - 2);
        }
    }
    return NULL;
}

static NOINLINE void run_threads(void)
{
    pthread_t threads[THREADS];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    pthread_barrier_init(&together, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        check(pthread_create(&threads[i], &attributes, pairs, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static NOINLINE void run_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        UNMAP(of_front, 16);
        OWN(100);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static NOINLINE void raw(void)
{
    char *p = OWN(5);
    check(syscall(SYS_munmap, p, 5 * PAGE) == 0);
}

int main(void)
{
    first = OWN(4);
    MAP(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1); /* or the two would be one */
    second = OWN(4);
    ready();
    phase_1();
    done();
    phase_2();
    done();
    phase_3();
    done();
    big_blocks();
    done();
    run_threads();
    done();
    run_threads();
    done();
    run_child();
    done();
    raw();
    done();
    return 0;
}
