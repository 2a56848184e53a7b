/* patched_text valloc|free: replaces the first bytes of that function of libc by a jump to one of its own,
 * as inline hooks (detours) do; the C library's function is not called any more.
 *
 * Known answer: one phase.
 *   valloc  hands out static memory 100 times; then 10 mallocs of 1,000 bytes in leak_beside_hook: live
 *           10 / 10,000, and nothing of valloc is seen
 *   free    does nothing: 10 mallocs of 1,000 bytes, each freed. A tracer that puts its breakpoint where
 *           libc's file has `push %rbp` breaks the address that the jump holds: the program dies. */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "protocol.h"

static char room[4096];
static int hooked;

static void *own_valloc(size_t size)
{
    (void)size;
    hooked++;
    return room;
}

static void own_free(void *block)
{
    (void)block;
    hooked++;
}

static void hook(void *function, void *own)
{
    unsigned char jump[14] = {0xff, 0x25, 0, 0, 0, 0}; /* jmp *0(%rip), and the address behind it */
    void *page = (void *)((uintptr_t)function & ~(uintptr_t)4095);
    memcpy(jump + 6, &own, sizeof own);
    if (mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
        _exit(1);
    memcpy(function, jump, sizeof jump);
    if (mprotect(page, 8192, PROT_READ | PROT_EXEC) != 0)
        _exit(1);
}

static NOINLINE void leak_beside_hook(void)
{
    for (int i = 0; i < 10; i++)
        sink = malloc(1000);
}

int main(int argc, char **argv)
{
    int with_valloc = argc > 1 && strcmp(argv[1], "valloc") == 0;
    if (with_valloc)
        hook((void *)valloc, (void *)own_valloc);
    else
        hook((void *)free, (void *)own_free);
    ready();
    for (int i = 0; with_valloc && i < 100; i++)
        sink = valloc(100);
    leak_beside_hook();
    for (int i = 0; !with_valloc && i < 10; i++)
        free(sink);
    if (hooked != (with_valloc ? 100 : 10))
        say("wrong\n");
    done();
    return 0;
}
