/* no_libc: a static executable without any allocator, as a Go program without cgo is one (it carries the
 * section by which Go programs are known). Known answer: there is nothing to attach to. */
static const char buildid[] __attribute__((section(".note.go.buildid"), used)) =
    "\x04\0\0\0\x08\0\0\0\x04\0\0\0Go\0\0notreal";

static long call3(long number, long a, const void *b, long c)
{
    long result;
    register const void *second __asm__("rsi") = b;
    register long third __asm__("rdx") = c;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "r"(second), "r"(third)
                     : "rcx", "r11", "memory");
    return result;
}

__attribute__((force_align_arg_pointer)) void _start(void)
{
    char c;
    call3(1, 1, "ready\n", 6);         /* write */
    while (call3(0, 0, &c, 1) > 0)     /* read */
        ;
    call3(231, 0, 0, 0);               /* exit_group */
}
