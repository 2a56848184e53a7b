/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What was in a register at a hit, by the number that instructions give it, and whether the branch there
 * will be taken.
 */
/* A load of its own in each branch: the verifier wants the offset into the context to be a constant. */
#define REGISTER(number, name)                     \
	case number:                               \
		value = ctx->name;                 \
		asm volatile("" : "+r"(value));    \
		break;

static __always_inline u64 register_of(struct pt_regs *ctx, u32 number)
{
	u64 value = 0;

	switch (number) {
#if defined(EBPFTRACE_X86_64)
		REGISTER(0, ax)
		REGISTER(1, cx)
		REGISTER(2, dx)
		REGISTER(3, bx)
		REGISTER(5, bp)
		REGISTER(6, si)
		REGISTER(7, di)
		REGISTER(8, r8)
		REGISTER(9, r9)
		REGISTER(10, r10)
		REGISTER(11, r11)
		REGISTER(12, r12)
		REGISTER(13, r13)
		REGISTER(14, r14)
		REGISTER(15, r15)
#else
		REGISTER(0, regs[0])
		REGISTER(1, regs[1])
		REGISTER(2, regs[2])
		REGISTER(3, regs[3])
		REGISTER(4, regs[4])
		REGISTER(5, regs[5])
		REGISTER(6, regs[6])
		REGISTER(7, regs[7])
#endif
	}
	return value;
}

#if defined(EBPFTRACE_X86_64)
/* Does the branch go where the condition of an exit says? (Intel SDM, volume 1, appendix B: 2 * test,
 * + 1 for its opposite) */
static __always_inline int condition_holds(struct pt_regs *ctx, u32 condition)
{
	u32 test = (condition - 1) >> 1;
	u64 flags = ctx->flags, carry = flags & 1, parity = flags >> 2 & 1, zero = flags >> 6 & 1;
	u64 sign = flags >> 7 & 1, overflow = flags >> 11 & 1, holds;

	if (!condition)
		return 1;
	holds = test == 0   ? overflow
		: test == 1 ? carry
		: test == 2 ? zero
		: test == 3 ? carry | zero
		: test == 4 ? sign
		: test == 5 ? parity
		: test == 6 ? sign ^ overflow
			    : zero | (sign ^ overflow);
	return holds != ((condition - 1) & 1);
}
#else
#define condition_holds(ctx, condition) (!(condition)) /* only x86-64 is decoded */
#endif

/* The values that an entry's cookie names; 0 where it names none. Of a mapping function, see mappings.h. */
struct arguments {
	u64 size, count, pointer, out;
};

/* In one place: each `register_of` is fifty instructions. */
static __always_inline void read_arguments(struct pt_regs *ctx, u64 cookie, struct arguments *given)
{
	given->size = register_of(ctx, COOKIE_SIZE(cookie));
	given->count = register_of(ctx, COOKIE_COUNT(cookie));
	given->pointer = register_of(ctx, COOKIE_POINTER(cookie));
	given->out = register_of(ctx, COOKIE_OUT(cookie));
}
