/* moved_text [page]: copies the code in which its malloc lies to anonymous memory and moves that over it, as
 * programs do that want their code in huge pages (and with `page` only the page in which malloc is). It is
 * linked to libc.so, or static.
 *
 * Known answer: one phase that leaves 10 blocks of 1,000 bytes. No probe by file and offset sees any of it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "protocol.h"

static uintptr_t hex(const char **text)
{
    uintptr_t value = 0;
    for (;; (*text)++) {
        if (**text >= '0' && **text <= '9')
            value = value * 16 + (uintptr_t)(**text - '0');
        else if (**text >= 'a' && **text <= 'f')
            value = value * 16 + (uintptr_t)(**text - 'a' + 10);
        else
            return value;
    }
}

/* The mapping that `address` is in, from /proc/self/maps. */
static void find_mapping(uintptr_t address, uintptr_t *start, uintptr_t *end)
{
    static char text[64 * 1024];
    size_t length = 0;
    ssize_t n;
    int fd = open("/proc/self/maps", O_RDONLY);
    while ((n = read(fd, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)n;
    close(fd);
    for (const char *at = text; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        *start = hex(&at);
        at++;
        *end = hex(&at);
        if (*start <= address && address < *end)
            return;
    }
    _exit(1);
}

static void move_text(int only_page)
{
    uintptr_t start, end, code = (uintptr_t)malloc;
    find_mapping(code, &start, &end);
    if (only_page) {
        start = code & ~(uintptr_t)4095;
        end = start + 4096;
    }
    size_t size = end - start;
    char *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(copy, (void *)start, size);
    if (mprotect(copy, size, PROT_READ | PROT_EXEC) != 0 ||
        mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start) == MAP_FAILED)
        _exit(1);
}

static NOINLINE void leak_in_moved_text(void)
{
    for (int i = 0; i < 10; i++)
        sink = malloc(1000);
}

int main(int argc, char **argv)
{
    (void)argv;
    move_text(argc > 1);
    ready();
    leak_in_moved_text();
    done();
    return 0;
}
