/* latecomer: loads liblate.so, an allocator of its own, from beside itself while it is watched; works with
 * it; unloads it; loads it again at another address; works again.
 *
 *   latecomer            waits for a line between these
 *   latecomer at-once    does not, as `run` wants it; with `threads` two more threads use libc's meanwhile
 *   latecomer flood      waits, and calls what its loader calls for debuggers 100,000 times before and after
 *                        each time that it loads the library
 *
 * Known answer for each of the two rounds, by the library's own malloc (family c):
 *   in_late_constructor   2 blocks of 50 bytes (where probes are there before constructors run)
 *   keep_late            10 blocks of 100 bytes
 *   drop_late             5 blocks of 40 bytes, freed
 *   grow_late             1 block of 700 bytes by realloc, from 70
 * By libc's: keep_own has 3 blocks of 30 bytes. Nothing is freed that was not given. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "protocol.h"

static char path[PATH_MAX];
static int at_once, floods;
static volatile int over;

static NOINLINE void keep_own(void)
{
    for (int i = 0; i < 3; i++)
        sink = malloc(30);
}

static void step(void)
{
    if (!at_once)
        done();
}

static void flood(void)
{
    void (*tell)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "_dl_debug_state");
    if (floods && !tell) {
        say("wrong\n");
        _exit(1);
    }
    for (int i = 0; floods && i < 100000; i++)
        tell();
}

static void *load(void)
{
    flood();
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    flood();
    if (!handle) {
        say("wrong\n");
        _exit(1);
    }
    return handle;
}

static void use(void *handle)
{
    void (*work)(void) = (void (*)(void))dlsym(handle, "work");
    work();
}

/* Something else is where it was, so that it comes to another address. */
static void unload(void *handle)
{
    struct link_map *map = handle;
    void *place = (void *)map->l_addr;
    dlclose(handle);
    mmap(place, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
}

static void *pairs(void *unused)
{
    (void)unused;
    while (!over) {
        void *p = malloc(64);
        *(void *volatile *)p = NULL;
        free(p);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[2];
    int several = argc > 2 && strcmp(argv[2], "threads") == 0;
    at_once = argc > 1 && strcmp(argv[1], "at-once") == 0;
    floods = argc > 1 && strcmp(argv[1], "flood") == 0;
    if (!realpath("/proc/self/exe", path))
        return 2;
    strcat(dirname(path), "/liblate.so");
    if (!at_once)
        ready();
    for (int i = 0; several && i < 2; i++)
        pthread_create(&threads[i], NULL, pairs, NULL);
    keep_own();
    void *handle = load();
    step();
    use(handle);
    step();
    unload(handle);
    handle = load();
    step();
    use(handle);
    step();
    over = 1;
    for (int i = 0; several && i < 2; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
