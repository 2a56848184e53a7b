/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The probes of the C allocation family: one program for each way of passing arguments, one for all
 * returns. Which function a hit belongs to is in its cookie.
 */

static __always_inline void enter_birth(struct pt_regs *ctx, u64 size, u64 out)
{
	struct in_flight *call = begin_call(ctx);

	if (!call)
		return;
	call->size = size;
	call->pointer = 0;
	call->out = out;
	call->shape = out ? SHAPE_OUT_PARAM : SHAPE_BIRTH;
}

int enter_size0(struct pt_regs *ctx) /* malloc(size), valloc, pvalloc */
{
	enter_birth(ctx, PT_REGS_PARM1(ctx), 0);
	return 0;
}

int enter_count0_size1(struct pt_regs *ctx) /* calloc: an overflow returns NULL, so never counts */
{
	enter_birth(ctx, PT_REGS_PARM1(ctx) * PT_REGS_PARM2(ctx), 0);
	return 0;
}

int enter_size1(struct pt_regs *ctx) /* memalign(alignment, size), aligned_alloc */
{
	enter_birth(ctx, PT_REGS_PARM2(ctx), 0);
	return 0;
}

int enter_out0_size2(struct pt_regs *ctx) /* posix_memalign(&pointer, alignment, size) */
{
	enter_birth(ctx, PT_REGS_PARM3(ctx), PT_REGS_PARM1(ctx));
	return 0;
}

/* The old block is taken out here: removing it at the return would race with a thread that was given
 * the freed address. */
static __always_inline void enter_resize(struct pt_regs *ctx, u64 pointer, u64 size)
{
	struct in_flight *call = begin_call(ctx);

	if (!call)
		return;
	call->size = size;
	call->pointer = pointer;
	call->out = 0;
	call->shape = SHAPE_RESIZE;
	if (pointer)
		call->took_old = !take_block(COOKIE_SLOT(call->cookie), pointer, &call->old);
}

int enter_old0_size1(struct pt_regs *ctx) /* realloc(old, size) */
{
	enter_resize(ctx, PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx));
	return 0;
}

/* reallocarray(old, count, size): a product that overflows fails, and must not look like size 0. */
int enter_old0_count1_size2(struct pt_regs *ctx)
{
	u64 count = PT_REGS_PARM2(ctx), size = PT_REGS_PARM3(ctx);
	u64 product = count * size;

	if (!product && count && size)
		product = ~0ULL;
	enter_resize(ctx, PT_REGS_PARM1(ctx), product);
	return 0;
}

static __always_inline u64 result_of(struct pt_regs *ctx, struct in_flight *call)
{
	u64 address = 0;

	if (call->shape != SHAPE_OUT_PARAM)
		return PT_REGS_RC(ctx);
	if ((u32)PT_REGS_RC(ctx)) /* an int: an errno, not a pointer */
		return 0;
	if (bpf_probe_read_user(&address, sizeof(address), (void *)call->out))
		lose(LOSS_OUT_PARAM_UNREADABLE);
	return address;
}

/* The old block's end: gone with the resize, or back where it was when that failed. */
static __always_inline void settle_old(struct in_flight *call, u32 slot, u64 result)
{
	int freed = result || (!call->size && call->cookie & COOKIE_ZERO_FREES);

	if (!call->took_old)
		return;
	if (freed)
		count_death(slot, &call->old);
	else
		put_back(slot, call->pointer, &call->old);
}

int leave(struct pt_regs *ctx)
{
	struct in_flight *call = returning_call(ctx);
	struct block block = {};
	u32 slot, called;
	u64 result;

	if (!call)
		return 0;
	slot = COOKIE_SLOT(call->cookie);
	result = result_of(ctx, call);
	if (call->shape == SHAPE_RESIZE)
		settle_old(call, slot, result);
	call->shape = SHAPE_NONE;
	if (!result)
		return 0;
	if (call->size < MIN_SIZE || call->size > MAX_SIZE) {
		lose(LOSS_FILTERED);
		return 0;
	}
	called = COOKIE_CALLED(call->cookie);
	block.size = call->size;
	block.stack = stack_of(ctx, slot, called);
	block.born = call->took_old ? call->old.born : call->entered;
	block.thread = bpf_get_current_pid_tgid();
	block.epoch = block.stack ? open_epoch_at(call->entered) : 0;
	block.called = called;
	count_birth(slot, result, &block, call->pointer && !call->took_old);
	return 0;
}

/* A free of a block we do not hold: of realloc's old block by realloc itself, by another allocator
 * function, or of a block that is older than the attach. */
static __always_inline void count_unheld_free(struct pt_regs *ctx, u32 slot, u64 pointer)
{
	u32 thread = bpf_get_current_pid_tgid();
	struct in_flight *call = in_flight.lookup(&thread);
	struct slot_state *state = slots.lookup(&slot);
	u64 caller = CALLER(ctx);

	if (call && call->shape == SHAPE_RESIZE && call->pointer == pointer) {
		lose(LOSS_NESTED_FREE);
		return;
	}
	if (!state)
		return;
	for (u32 i = 0; i < CODE_RANGES; i++) {
		if (i >= state->ranges)
			break;
		if (caller >= state->code[i].start && caller < state->code[i].end) {
			lose(LOSS_NESTED_FREE);
			return;
		}
	}
	lose(LOSS_UNMATCHED_FREE);
}

int enter_free(struct pt_regs *ctx)
{
	u32 cookie = COOKIE(ctx), slot = COOKIE_SLOT(cookie);
	u64 pointer = PT_REGS_PARM1(ctx);
	struct block block;
	int err;

	count_hit(cookie);
	if (!pointer || !counts(slot, CONTROL_COUNTING))
		return 0;
	err = take_block(slot, pointer, &block);
	if (!err)
		count_death(slot, &block);
	else if (err == -ENOENT)
		count_unheld_free(ctx, slot, pointer);
	return 0;
}
