/* jumps: calls of the family that are left by longjmp or swapcontext. The executable defines valloc and
 * pvalloc itself (exported, so a tracer that probes every definition sees them); they do not allocate,
 * they jump, or hand out static memory.
 *
 * Known answer, phase by phase (design.md section 3, "Calls"); each phase adds exactly one lost call:
 *   1 up        valloc is left by longjmp from 64 KiB further down; then 100 mallocs of 64 bytes in
 *               malloc_after_jump_up, above the dead call's sp: stale. +100 blocks, +6,400 bytes
 *   2 level     valloc(100) is left by longjmp, then malloc(200) from the same frame: equal sp, another
 *               function, and yet no tail call (the word at sp is a return address, not the pending
 *               return's trampoline): stale. +1 block of 200 bytes, in same_frame
 *   3 again     valloc is left by longjmp, then called again from the same frame and returns: equal sp,
 *               same function: stale. +1 block of 300 bytes, in valloc_twice
 *   4 down      valloc is left by longjmp; 1.2 s later 100 mallocs of 64 bytes further down, in
 *               malloc_after_jump_down: below the dead call but too old to be nested in it: stale.
 *               +100 blocks, +6,400 bytes
 *   5 coroutine pvalloc(500) is entered on the main stack, swaps to a coroutine, which mallocs 100 blocks
 *               of 64 bytes in malloc_on_coroutine (more than 1 MiB away: another stack, stale), swaps
 *               back and returns. +100 blocks, +6,400 bytes. The pvalloc itself is the lost call; a
 *               tracer that keeps it (one record per stack) has +1 block, +500 bytes and no lost call.
 *   6 at once   as 4, without the wait: design.md takes the 100 mallocs of malloc_at_once for nested
 *               calls for up to a second. Recorded blocks + nested is 100; nothing vanishes without a count.
 * After phase 5: blocks 302, bytes 19,700, call_lost 5 (or 303, 20,200 and 4).
 *
 * Only this direction of phase 5 can be tested. A call entered on a lower stack and left for a higher one
 * is fatal to a traced process: the kernel takes the pending return for dead, drops it, and answers the
 * return with SIGILL (uprobe_handle_trampoline). `jumps lower` does that, for whoever wants to see it. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <ucontext.h>
#include "protocol.h"

static volatile enum { LEAVE_BY_LONGJMP, RETURN, SWAP, SWAP_TO_MAIN } how;
static bool warming_up;
static jmp_buf back;
static ucontext_t on_main, on_coroutine;
static char coroutine_stack[256 * 1024] __attribute__((aligned(16)));
static char pool[4096];

__attribute__((noinline)) void *valloc(size_t size)
{
    if (how == LEAVE_BY_LONGJMP)
        longjmp(back, 1);
    return pool + size;
}

__attribute__((noinline)) void *pvalloc(size_t size)
{
    if (how == SWAP)
        swapcontext(&on_main, &on_coroutine);
    if (how == SWAP_TO_MAIN)
        swapcontext(&on_coroutine, &on_main);
    return pool + size;
}

/* Calls `work` with sp 64 KiB lower. */
static NOINLINE void further_down(void (*work)(void))
{
    char room[64 * 1024];
    sink = room; /* has an address that is known elsewhere: cannot be dropped */
    work();
    sink = NULL;
}

static NOINLINE void jump(void)
{
    sink = valloc(50);
}

static NOINLINE void malloc_after_jump_up(void)
{
    for (int i = 0; i < 100; i++)
        sink = malloc(64);
}

static NOINLINE void same_frame(void)
{
    if (setjmp(back) == 0)
        sink = valloc(100);
    sink = malloc(200);
}

static NOINLINE void valloc_twice(void)
{
    if (setjmp(back) == 0)
        sink = valloc(301);
    how = RETURN;
    sink = valloc(300);
}

/* Below further_down, whose frame is larger than what a tracer may see of the stack at the first births:
 * a first round, of blocks that are freed, lets it learn the way out. */
static inline __attribute__((always_inline)) void hundred_mallocs(void)
{
    for (int i = 0; i < 100; i++) {
        sink = malloc(64);
        if (warming_up) {
            free(sink);
            sleep_ms(2);
        }
    }
}

static NOINLINE void malloc_after_jump_down(void)
{
    hundred_mallocs();
}

static NOINLINE void malloc_at_once(void)
{
    hundred_mallocs();
}

static NOINLINE void malloc_on_coroutine(void)
{
    for (int i = 0; i < 100; i++)
        sink = malloc(64);
}

static void coroutine(void)
{
    malloc_on_coroutine();
    swapcontext(&on_coroutine, &on_main);
}

static void prepare(void (*entry)(void))
{
    getcontext(&on_coroutine);
    on_coroutine.uc_stack.ss_sp = coroutine_stack;
    on_coroutine.uc_stack.ss_size = sizeof coroutine_stack;
    on_coroutine.uc_link = NULL;
    makecontext(&on_coroutine, entry, 0);
}

static void call_from_below(void)
{
    sink = pvalloc(500); /* swaps to the main stack and, resumed, returns */
    swapcontext(&on_coroutine, &on_main);
}

/* Fatal under a return probe: pvalloc is pending on the coroutine while the main stack, above it, mallocs. */
static NOINLINE void lower_stack(void)
{
    ready();
    how = SWAP_TO_MAIN;
    prepare(call_from_below);
    swapcontext(&on_main, &on_coroutine);
    sink = malloc(64);
    swapcontext(&on_main, &on_coroutine);
    done();
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        lower_stack();
        return 0;
    }
    ready();
    warming_up = true;
    further_down(malloc_after_jump_down);
    further_down(malloc_at_once);
    warming_up = false;
    how = LEAVE_BY_LONGJMP;
    if (setjmp(back) == 0)
        further_down(jump);
    malloc_after_jump_up();
    done();
    same_frame();
    done();
    valloc_twice();
    done();
    how = LEAVE_BY_LONGJMP;
    if (setjmp(back) == 0)
        jump();
    sleep_ms(1200);
    further_down(malloc_after_jump_down);
    done();
    how = SWAP;
    prepare(coroutine);
    sink = pvalloc(500);
    done();
    how = LEAVE_BY_LONGJMP;
    if (setjmp(back) == 0)
        jump();
    further_down(malloc_at_once);
    done();
    return 0;
}
