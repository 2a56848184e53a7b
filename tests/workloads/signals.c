/* signals: allocates in signal handlers, on the alternate stack, whatever they interrupt.
 *
 * Known answer, two phases, the handler's part being leak_in_handler < on_trap or on_alarm < __restore_rt:
 *   phase 1  10 blocks of 100 bytes that interrupt trap_at_entry at its first instruction, and 10 that
 *            interrupt trap_in_prologue between a push and the next instruction; called by run_traps < main
 *   phase 2  20 blocks of 200 bytes that interrupt the loop of `spin`, called by run_loop < main
 * `neighbour` ends where trap_at_entry starts and has another frame: the rules of the byte before an
 * interrupted instruction are wrong on purpose. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <ucontext.h>
#include "protocol.h"

void trap_at_entry(void);
void trap_in_prologue(void);

#ifdef __x86_64__
__asm__(".text\n"
        "neighbour:\n"
        "	.cfi_startproc\n"
        "	.cfi_def_cfa_offset 160\n"
        "	nop\n"
        "	.cfi_endproc\n"
        "	.globl trap_at_entry\n"
        "	.type trap_at_entry, @function\n"
        "trap_at_entry:\n"
        "	.cfi_startproc\n"
        "	ud2\n"
        "	ret\n"
        "	.cfi_endproc\n"
        "	.size trap_at_entry, . - trap_at_entry\n"
        "	.globl trap_in_prologue\n"
        "	.type trap_in_prologue, @function\n"
        "trap_in_prologue:\n"
        "	.cfi_startproc\n"
        "	push %rbx\n"
        "	.cfi_def_cfa_offset 16\n"
        "	.cfi_offset %rbx, -16\n"
        "	ud2\n"
        "	pop %rbx\n"
        "	.cfi_def_cfa_offset 8\n"
        "	ret\n"
        "	.cfi_endproc\n"
        "	.size trap_in_prologue, . - trap_in_prologue\n");
#define SKIP_TRAP(context) ((context)->uc_mcontext.gregs[REG_RIP] += 2)
#else
__asm__(".text\n"
        "neighbour:\n"
        "	.cfi_startproc\n"
        "	.cfi_def_cfa_offset 160\n"
        "	nop\n"
        "	.cfi_endproc\n"
        "	.globl trap_at_entry\n"
        "	.type trap_at_entry, %function\n"
        "trap_at_entry:\n"
        "	.cfi_startproc\n"
        "	.inst 0\n"
        "	ret\n"
        "	.cfi_endproc\n"
        "	.size trap_at_entry, . - trap_at_entry\n"
        "	.globl trap_in_prologue\n"
        "	.type trap_in_prologue, %function\n"
        "trap_in_prologue:\n"
        "	.cfi_startproc\n"
        "	str x19, [sp, -16]!\n"
        "	.cfi_def_cfa_offset 16\n"
        "	.cfi_offset 19, -16\n"
        "	.inst 0\n"
        "	ldr x19, [sp], 16\n"
        "	.cfi_def_cfa_offset 0\n"
        "	ret\n"
        "	.cfi_endproc\n"
        "	.size trap_in_prologue, . - trap_in_prologue\n");
#define SKIP_TRAP(context) ((context)->uc_mcontext.pc += 4)
#endif

static char signal_stack[64 * 1024];
static volatile sig_atomic_t interrupted;
static volatile int after;

static NOINLINE void leak_in_handler(size_t size)
{
    sink = malloc(size);
}

static NOINLINE void on_trap(int number, siginfo_t *info, void *context)
{
    leak_in_handler(100);
    SKIP_TRAP((ucontext_t *)context);
    after = number + info->si_code;
}

static NOINLINE void on_alarm(int number, siginfo_t *info, void *context)
{
    leak_in_handler(200);
    interrupted = 1;
    after = number + info->si_code + !context;
}

static NOINLINE void run_traps(void)
{
    for (int i = 0; i < 10; i++) {
        trap_at_entry();
        trap_in_prologue();
        sleep_ms(20); /* what is reported of a handler's stack does not reach to the other one */
    }
}

static NOINLINE void spin(void)
{
    while (!interrupted)
        ;
}

static NOINLINE void run_loop(void)
{
    struct itimerval soon = {{0, 0}, {0, 10000}}; /* not before spin has begun, on a busy machine too */
    for (int i = 0; i < 20; i++) {
        interrupted = 0;
        setitimer(ITIMER_REAL, &soon, NULL);
        spin();
    }
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_ONSTACK | SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

int main(void)
{
    stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    sigaltstack(&stack, NULL);
    handle(SIGILL, on_trap);
    handle(SIGALRM, on_alarm);
    ready();
    run_traps();
    done();
    run_loop();
    done();
    return 0;
}
