/* grows_raw: linked statically and with nothing, as code that brings no allocator at all: memory comes by system
 * calls of its own. PAGE is 4096 bytes.
 * Phase 1: take maps 1024 pages and writes each: grown 1024. */
#include <stddef.h>

enum { READ = 0, WRITE = 1, MMAP = 9, MADVISE = 28, EXIT = 60, PAGE = 4096 };

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static void say(const char *line, long length)
{
    call(WRITE, 1, (long)line, length, 0, 0, 0);
}

static void wait_for_line(void)
{
    char c;
    do {
        if (call(READ, 0, (long)&c, 1, 0, 0, 0) <= 0)
            call(EXIT, 0, 0, 0, 0, 0, 0);
    } while (c != '\n');
}

__attribute__((noinline, noclone)) static void take(void)
{
    char *p = (char *)call(MMAP, 0, 1024 * PAGE, 3, 0x22, -1, 0);
    call(MADVISE, (long)p, 1024 * PAGE, 15, 0, 0, 0); /* MADV_NOHUGEPAGE */
    for (volatile char *at = p; at < p + 1024 * PAGE; at += PAGE)
        *at = 1;
}

void _start(void)
{
    say("ready\n", 6);
    wait_for_line();
    take();
    say("done\n", 5);
    wait_for_line();
    call(EXIT, 0, 0, 0, 0, 0, 0);
}
