/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What differs between machines (the loader defines which), and the few numbers
 */
#if defined(EBPFTRACE_X86_64)
#define SP_BEFORE_RETURN(ctx) (PT_REGS_SP(ctx) - 8) /* `ret` has popped the return address */
#define WORD_OF_RETURN 8 /* bytes that a return takes off the stack */
#define RETURN_ADDRESS_ON_STACK
#define CALLER(ctx) word_at(PT_REGS_SP(ctx))
#define HIGHEST_CODE 0x7fffffffffffULL
/* Unwinding: `call` has pushed the return address right below the CFA. */
#define READ_BY_RULES
#define RETURN_ADDRESS_AT(cfa, rule) ((cfa)-8)
#define PROBED_AT(cfa, at) (at)
#define IN_LINK_REGISTER(how) 0
#define LEAST_FRAME(how) 8
#define STRIPPED(pc) (pc)
/* struct rt_sigframe without its first word, which `ret` has popped: rbp to rip of its ucontext. */
#define SIGNAL_OFFSET 120
#define SIGNAL_REGISTERS 7
#define SIGNAL_FP 0
#define SIGNAL_SP 5
#define SIGNAL_PC 6
#elif defined(EBPFTRACE_ARM64)
#define SP_BEFORE_RETURN(ctx) PT_REGS_SP(ctx)
#define WORD_OF_RETURN 0
#define CALLER(ctx) ((ctx)->regs[30])
#define HIGHEST_CODE 0xffffffffffffULL
/* Unwinding: most functions save the link register behind the frame pointer, leaves nowhere. */
#define RETURN_ADDRESS_AT(cfa, rule) \
	((cfa) + (RULE_ADD(rule) ? 8 * RULE_ADD(rule) : RULE_FP(rule) + 8))
#define PROBED_AT(cfa, at) (cfa)
#define IN_LINK_REGISTER(how) ((how)&RULE_IN_LR)
#define LEAST_FRAME(how) (IN_LINK_REGISTER(how) ? 0 : 8)
/* A pointer authentication code lies above the address; what is not known has none to take off. */
#define STRIPPED(pc) ((pc) == UNKNOWN_LR ? (pc) : (pc)&ADDRESS_MASK)
/* struct rt_sigframe: x29, x30, sp and pc of its ucontext, which lies behind 128 bytes of siginfo. */
#define SIGNAL_OFFSET 544
#define SIGNAL_REGISTERS 4
#define SIGNAL_FP 0
#define SIGNAL_LR 1
#define SIGNAL_SP 2
#define SIGNAL_PC 3
#else
#error "ebpftrace knows x86-64 and arm64"
#endif

#define UNKNOWN_LR ~0ULL

#ifndef ENOENT
#define ENOENT 2
#define E2BIG 7
#define EBUSY 16
#define EEXIST 17
#endif

/* Where a hit comes from. Helper 174 (bpf_get_attach_cookie, 7adfc6c9b315, 5.15) by number: not
 * every BCC names it. Where it is missing the loader replaces this call by a constant, in a copy of
 * the program for each probe, and the other one by the high half; elsewhere that one is 0. */
#define COOKIE(ctx) (((u64(*)(void *))174)(ctx) | (u64)((u32(*)(void))0x7ffe03)() << 32)

/* What an entry answers: is the return wanted? Only session programs (535a3692ba72, 6.13) can decline
 * it, with 1; elsewhere 1 would remove the probe. The loader puts in the constant. */
#define RETURN_WANTED 0
#define NO_RETURN_WANTED ((int (*)(void))0x7ffe01)()
#define CAN_DECLINE NO_RETURN_WANTED

/* Frames that a walk may take: as many as the kernel lets us, which the loader finds by trying. */
#define DEPTH_IN_USE ((u32(*)(void))0x7ffe02)()

static __always_inline u64 word_at(u64 address)
{
	u64 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)address);
	return word;
}
