/* switches: a program that does with its stack what plain calls do not.
 *
 * Known answer, three phases:
 *   phase 1  a coroutine of makecontext: coroutine_main > leak_on_coroutine, 10 blocks of 100 bytes before
 *            it gives way and 10 after it is resumed; in between main > leak_between, 10 of 200
 *   phase 2  ten times: jump_back > descend_and_jump > leak_before_jump, 1 block of 300 bytes, and longjmp
 *            out of all of them; then jump_back > leak_after_jump, 1 block of 400
 *   phase 3  realigned (64-byte aligned locals and alloca) > lose_frame_pointer > leak_under_realigned,
 *            10 blocks of 500 bytes; the frame pointer by which `realigned` finds its frame is saved by
 *            lose_frame_pointer alone, which leaves another value in the register */
#include <alloca.h>
#include <setjmp.h>
#include <stdlib.h>
#include <ucontext.h>
#include "protocol.h"

#ifdef __x86_64__
#define SPOIL_FRAME_POINTER() __asm__ volatile("mov $0x123450, %%ebp" ::: "rbp")
#else
#define SPOIL_FRAME_POINTER() __asm__ volatile("mov x29, #0x1230" ::: "x29")
#endif

static ucontext_t main_context, coroutine;
static char coroutine_stack[64 * 1024] __attribute__((aligned(16)));
static jmp_buf before;
static volatile int after;

static NOINLINE void leak(size_t size, int times)
{
    for (int i = 0; i < times; i++)
        sink = malloc(size);
}

static NOINLINE void leak_on_coroutine(void)
{
    leak(100, 10);
    after = 0;
}

static NOINLINE void coroutine_main(void)
{
    for (;;) {
        leak_on_coroutine();
        swapcontext(&coroutine, &main_context);
    }
}

static NOINLINE void leak_between(void)
{
    leak(200, 10);
    after = 0;
}

static NOINLINE void resume(void)
{
    swapcontext(&main_context, &coroutine);
    after = 0;
}

static NOINLINE void leak_before_jump(void)
{
    leak(300, 1);
    longjmp(before, 1);
}

static NOINLINE void descend_and_jump(int levels)
{
    volatile char room[300];
    room[0] = 0;
    if (levels > 0)
        descend_and_jump(levels - 1);
    else
        leak_before_jump();
    after = room[0];
}

static NOINLINE void leak_after_jump(void)
{
    leak(400, 1);
    after = 0;
}

static NOINLINE void jump_back(void)
{
    if (setjmp(before) == 0)
        descend_and_jump(5);
    leak_after_jump();
    after = 0;
}

static NOINLINE void leak_under_realigned(void)
{
    leak(500, 10);
    after = 0;
}

static NOINLINE void lose_frame_pointer(void)
{
    SPOIL_FRAME_POINTER();
    leak_under_realigned();
    after = 0;
}

static NOINLINE void realigned(size_t size)
{
    _Alignas(64) volatile char aligned[128];
    volatile char *room = alloca(size);
    aligned[0] = room[size - 1] = 0;
    lose_frame_pointer();
    after = aligned[0] + room[size - 1];
}

int main(void)
{
    getcontext(&coroutine);
    coroutine.uc_stack.ss_sp = coroutine_stack;
    coroutine.uc_stack.ss_size = sizeof coroutine_stack;
    coroutine.uc_link = &main_context;
    makecontext(&coroutine, coroutine_main, 0);
    ready();
    resume();
    leak_between();
    resume();
    done();
    for (int i = 0; i < 10; i++)
        jump_back();
    done();
    realigned(100);
    done();
    return 0;
}
