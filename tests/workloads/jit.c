/* jit: calls malloc from code in anonymous memory, where no unwind information can be, as JITs do.
 *
 * Known answer:
 *   phase 1  code with a frame-pointer prologue, called by call_framed < main: 100 blocks of 32 bytes
 *   phase 2  code that uses the frame pointer as it likes, called by call_frameless < main: 1,000 blocks of
 *            48 bytes. Each time the register points at another place of the stack that looks like a frame
 *            record, with a return address outside every mapping that is another one each time: who believes
 *            them has 1,000 sites. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "protocol.h"

typedef void *allocate(size_t);

extern const char framed[], framed_end[], frameless[], frameless_end[];

/* framed(call, size), frameless(frame_pointer, call, size): position-independent, to be copied. */
#ifdef __x86_64__
__asm__(".text\n"
        "framed:	push %rbp\n"
        "	mov %rsp, %rbp\n"
        "	mov %rdi, %rax\n"
        "	mov %rsi, %rdi\n"
        "	call *%rax\n"
        "	pop %rbp\n"
        "	ret\n"
        "framed_end:\n"
        "frameless:	push %rbp\n"
        "	mov %rdi, %rbp\n"
        "	mov %rdx, %rdi\n"
        "	call *%rsi\n"
        "	pop %rbp\n"
        "	ret\n"
        "frameless_end:\n");
#else
__asm__(".text\n"
        "framed:	stp x29, x30, [sp, -16]!\n"
        "	mov x29, sp\n"
        "	mov x9, x0\n"
        "	mov x0, x1\n"
        "	blr x9\n"
        "	ldp x29, x30, [sp], 16\n"
        "	ret\n"
        "framed_end:\n"
        "frameless:	stp x29, x30, [sp, -16]!\n"
        "	mov x29, x0\n"
        "	mov x0, x2\n"
        "	blr x1\n"
        "	ldp x29, x30, [sp], 16\n"
        "	ret\n"
        "frameless_end:\n");
#endif

static char *code;

static NOINLINE void call_framed(void)
{
    void *(*run)(allocate *, size_t) = (void *(*)(allocate *, size_t))(uintptr_t)code;
    for (int i = 0; i < 100; i++)
        sink = run(malloc, 32);
}

static NOINLINE void call_frameless(void)
{
    void *(*run)(void *, allocate *, size_t) =
        (void *(*)(void *, allocate *, size_t))(uintptr_t)(code + 2048);
    volatile uintptr_t records[2002];
    for (int i = 0; i < 1000; i++) {
        records[2 * i] = (uintptr_t)&records[2 * i + 2];
        records[2 * i + 1] = 0x10000 + 4096 * (uintptr_t)i;
        records[2 * i + 2] = records[2 * i + 3] = 0;
        sink = run((void *)&records[2 * i], malloc, 48);
    }
}

int main(void)
{
    code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED)
        return 1;
    memcpy(code, framed, (size_t)(framed_end - framed));
    memcpy(code + 2048, frameless, (size_t)(frameless_end - frameless));
    if (mprotect(code, 4096, PROT_READ | PROT_EXEC) != 0)
        return 1;
    __builtin___clear_cache(code, code + 4096);
    ready();
    call_framed();
    done();
    call_frameless();
    done();
    return 0;
}
