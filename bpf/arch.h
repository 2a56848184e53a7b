/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What differs between machines (the loader defines which), and the few numbers
 */
#if defined(EBPFTRACE_X86_64)
#define SP_BEFORE_RETURN(ctx) (PT_REGS_SP(ctx) - 8) /* `ret` has popped the return address */
#define CALLER(ctx) word_at(PT_REGS_SP(ctx))
#elif defined(EBPFTRACE_ARM64)
#define SP_BEFORE_RETURN(ctx) PT_REGS_SP(ctx)
#define CALLER(ctx) ((ctx)->regs[30])
#else
#error "ebpftrace knows x86-64 and arm64"
#endif

#ifndef ENOENT
#define ENOENT 2
#define E2BIG 7
#define EBUSY 16
#define EEXIST 17
#endif

/* Where a hit comes from. Helper 174 (bpf_get_attach_cookie, 7adfc6c9b315, 5.15) by number: not
 * every BCC names it. Where it is missing the loader replaces this call by a constant, in a copy of
 * the program for each probe. */
#define COOKIE(ctx) ((u32)((u64(*)(void *))174)(ctx))

/* What an entry answers: is the return wanted? Only session programs (535a3692ba72, 6.13) can decline
 * it, with 1; elsewhere 1 would remove the probe. The loader puts in the constant. */
#define RETURN_WANTED 0
#define NO_RETURN_WANTED ((int (*)(void))0x7ffe01)()
#define CAN_DECLINE NO_RETURN_WANTED

static __always_inline u64 word_at(u64 address)
{
	u64 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)address);
	return word;
}
