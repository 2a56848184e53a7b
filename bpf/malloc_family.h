/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The probes of the C allocation family: one program for entries and one for returns. Which function a
 * hit belongs to, and where its arguments are, is in the cookie: compiling a program for every way of
 * passing arguments would double the time to the first picture. Where the kernel has session programs
 * the loader makes one of the two, and one link holds a whole file.
 */

/* A product that overflows wraps: such a calloc returns NULL and is never counted. */
static __always_inline u64 size_asked(struct arguments *given, u64 cookie)
{
	return COOKIE_COUNT(cookie) == NO_REGISTER ? given->size : given->size * given->count;
}

static __always_inline void enter_birth(struct arguments *given, struct in_flight *call, u64 cookie)
{
	call->size = size_asked(given, cookie);
	call->pointer = 0;
	call->out = given->out;
	if (COOKIE_FAMILY(cookie) == FAMILY_POOL && COOKIE_OUT(cookie) != NO_REGISTER) {
		call->out = call->out ? call->out : 1; /* unreadable as well, and not "none" */
		call->before = word_at(call->out);
	}
}

/* As `size_asked` of reallocarray: a product that overflows fails, and must not look like size 0. */
static __always_inline u64 array_size(struct arguments *given, u64 cookie)
{
	u64 product = size_asked(given, cookie);

	/* without a count that is 0 */
	return !product && given->count && given->size ? ~0ULL : product;
}

/* As `take_block`, of what a function of one kind is given: an allocator's may free what a pool has handed on,
 * and the other way round. */
static __always_inline int take_any(struct slot_state *state, u32 slot, u64 address, u32 pool,
				    struct block *block)
{
	int err = take_block(slot, address, pool, block);

	if (err == -ENOENT && state->pools)
		err = take_block(slot, address, !pool, block);
	return err;
}

/* Was that a pool's own memory? It is no longer. */
static __always_inline int give_up_pool_memory(struct slot_state *state, u32 slot, u64 address)
{
	u64 key = SLOT_KEY(slot, address);

	return state->pools && !pool_memory.delete(&key);
}

/* The old block is taken out here: removing it at the return would race with a thread that was given
 * the freed address. */
static __always_inline void enter_resize(struct control *switches, struct slot_state *state,
					 struct arguments *given, struct in_flight *call, u64 cookie)
{
	u32 slot = COOKIE_SLOT(cookie), pool = COOKIE_FAMILY(cookie) == FAMILY_POOL;
	u32 inside = call->pending == PENDING_IN_POOL, its_memory = 0;

	call->size = array_size(given, cookie);
	call->pointer = given->pointer;
	call->out = 0;
	if (call->pointer && !pool)
		its_memory = give_up_pool_memory(state, slot, call->pointer);
	if (its_memory)
		call->pending = PENDING_IN_POOL;
	if (call->pointer && !(inside && its_memory)) /* else it has handed that on as it was */
		call->took_old = !take_any(state, slot, call->pointer, pool, &call->old);
	/* What is not held was born unrecorded, or before the attach: it stays so. */
	if (!call->took_old && (is_left_out(switches, call->entered) ||
				(call->pointer && switches->flags & CONTROL_SAMPLING))) {
		call->pending = 0;
		return;
	}
	trace_resizing(call);
}

/* What a pool's function returns means what its author likes: nothing, an errno, a bool. A pointer that has
 * changed is a new block. One that has not may be the same block, given again: if the function returned 0,
 * which a failed one does not, and nobody holds it. */
static __always_inline u64 given_by_pool(u64 returned, struct in_flight *call)
{
	u64 address = 0, key;
	struct block *held;

	if (bpf_probe_read_user(&address, sizeof(address), (void *)call->out)) {
		lose(LOSS_OUT_PARAM_UNREADABLE);
		return 0;
	}
	if (address != call->before)
		return address;
	key = BLOCK_KEY(COOKIE_SLOT(call->cookie), address, 1);
	held = blocks.lookup(&key);
	if (held)
		return 0;
	asm volatile("" : "+r"(returned)); /* or clang 19 adds both up, one of which is a pointer to the verifier */
	return (u32)returned ? 0 : address;
}

static __always_inline u64 result_of(u64 returned, struct in_flight *call)
{
	u64 address = 0;

	if (!call->out)
		return returned;
	if (COOKIE_FAMILY(call->cookie) == FAMILY_POOL)
		return given_by_pool(returned, call);
	if ((u32)returned) /* an int: an errno, not a pointer */
		return 0;
	if (bpf_probe_read_user(&address, sizeof(address), (void *)call->out))
		lose(LOSS_OUT_PARAM_UNREADABLE);
	return address;
}

/* Is the block gone that `call` was given, now that it returns `result`? */
static __always_inline int frees_old(struct in_flight *call, u64 result)
{
	return result || (!call->size && call->cookie & COOKIE_ZERO_FREES);
}

/* The old block's end: gone with the resize, or back where it was when that failed. */
static __always_inline void settle_old(struct in_flight *call, u32 slot, u64 result)
{
	int freed = frees_old(call, result);

	if (!call->took_old)
		return;
	if (freed)
		count_death(slot, &call->old);
	else
		put_back(slot, call->pointer, &call->old);
}

/* The address of what `call` gives, its old block settled; 0: nothing that is counted. */
static __always_inline u64 settle_call(struct returned *seen, struct in_flight *call)
{
	u64 result = result_of(seen->result, call);

	settle_old(call, COOKIE_SLOT(call->cookie), result);
	if (!result) {
		trace_return(seen->pc, call, 0, frees_old(call, 0) ? CALL_RESIZE_FREED : CALL_RESIZE_FAILED);
		return 0;
	}
	if (call->size < MIN_SIZE || call->size > MAX_SIZE) {
		trace_return(seen->pc, call, result, CALL_RESIZE_FREED);
		lose(LOSS_FILTERED);
		return 0;
	}
	if (call->pending == PENDING_IN_POOL && !call->took_old) {
		u64 key = SLOT_KEY(COOKIE_SLOT(call->cookie), result);
		u8 one = 1;

		pool_memory.update(&key, &one);
		lose(LOSS_NESTED);
		return 0;
	}
	return result;
}

/* Count what `call` has returned; without a stack where there is nothing to walk in. */
static __always_inline void finish_call(struct control *switches, struct returned *seen,
					struct in_flight *call, struct walk *walk)
{
	u32 slot = COOKIE_SLOT(call->cookie), called = COOKIE_CALLED(call->cookie);
	struct birth birth = {.now = call->entered, .slot = slot, .called = called,
			      .counted = !!(switches->flags & CONTROL_ARMED)};
	struct block block = {};

	/* By way of memory, or the verifier follows the walk once for each of the two. */
	KEPT(call->out) = call->cookie & COOKIE_MAPPING ? settle_mapping(seen, call) : settle_call(seen, call);
	birth.address = KEPT(call->out);
	call->pending = 0;
	if (!birth.address)
		return;
	if (walk)
		block.stack = stack_in(walk, seen, &birth);
	if (!birth.counted)
		return;
	if (walk)
		lose_frames(walk);
	else
		lose(LOSS_STACK_UNREADABLE);
	if (call->cookie & COOKIE_MAPPING) {
		tell_mapped(call, birth.address, block.stack);
		return;
	}
	block.size = call->size;
	block.born = call->took_old ? call->old.born : call->entered;
	block.thread = bpf_get_current_pid_tgid();
	block.epoch = walk && block.stack ? open_epoch_at(switches, walk, call->entered) : 0;
	block.called = called | (call->took_old ? call->old.called & SCALE_IN_CALLED(SCALES - 1)
						: SCALE_IN_CALLED(scale_at(switches, call->entered)));
	count_birth(slot, birth.address, &block, call->pointer && !call->took_old);
	trace_return(seen->pc, call, birth.address, CALL_RESIZED);
}

int leave(struct pt_regs *ctx)
{
	u64 cookie = COOKIE(ctx);
	struct returned seen = {};
	struct in_flight *call = NULL;
	struct control *switches;
	struct walk *walk;
	u32 zero = 0;

	if (see_return(ctx, cookie, &seen))
		call = returning_call(&seen, cookie);
	if (call && !cookie) /* where the kernel has none: one such program serves all returns */
		cookie = call->cookie;
	count_hit(ctx, call || COOKIE_ROLE(cookie) != ROLE_EXIT ? cookie : FUNCTION_PASSED << 16, 1);
	if (!call || COOKIE_SLOT(call->cookie) != COOKIE_SLOT(cookie))
		return 0;
	switches = control.lookup(&zero);
	if (!switches || !is_live(switches, cookie, CONTROL_ARMED | CONTROL_LEARNING))
		return 0;
	walk = take_scratch();
	finish_call(switches, &seen, call, walk);
	if (walk)
		give_back(walk);
	if (call->cookie & COOKIE_MAPPING)
		forget_mapping_call();
	return 0;
}

/* A free of a block we do not hold: of realloc's old block by realloc itself, by another allocator
 * function, or of a block that is older than the attach. */
static __always_inline void count_unheld_free(struct pt_regs *ctx, struct slot_state *state, u32 slot,
					      u64 pointer)
{
	u32 thread = bpf_get_current_pid_tgid();
	struct in_flight *call = in_flight.lookup(&thread);
	u64 caller = CALLER(ctx);

	if (call && call->pending && call->pointer == pointer) {
		lose(LOSS_NESTED_FREE);
		return;
	}
	for (u32 i = 0; i < CODE_RANGES; i++) {
		if (i >= state->ranges)
			break;
		if (caller >= state->code[i].start && caller < state->code[i].end) {
			lose(LOSS_NESTED_FREE);
			return;
		}
	}
	trace_unheld_free(slot, pointer, caller);
	lose(is_set(CONTROL_DRAINED) ? LOSS_UNRECORDED_FREE : LOSS_UNMATCHED_FREE);
}

#define MOST_HEADER (1ULL << 16)

/* Is this another function's part of a free that was counted or not when it came to the first? The last act
 * of operator delete, or of a wrapper, is to call the next function that frees, and it may jump there: the
 * stack is as it was, the caller who called the first, and the pointer the same, or before the block as far
 * as a wrapper's header is long. */
static __always_inline int is_layer_below(struct pt_regs *ctx, struct slot_state *state, u64 pointer)
{
	u64 sp = PT_REGS_SP(ctx), at = PT_REGS_IP(ctx);
	struct in_flight *call;

	if (!state->layered)
		return 0;
	call = own_record(0);
	if (!call)
		return 0;
	if (call->free_sp == sp && call->free_at != at && call->freed - pointer < MOST_HEADER)
		return 1;
	call->freed = pointer;
	call->free_sp = sp;
	call->free_at = at;
	return 0;
}

static __always_inline void enter_free(struct pt_regs *ctx, struct control *switches, u64 cookie)
{
	u32 slot = COOKIE_SLOT(cookie), pool = COOKIE_FAMILY(cookie) == FAMILY_POOL, below;
	u64 pointer = register_of(ctx, COOKIE_POINTER(cookie));
	struct slot_state *state;
	struct block block;
	int err;

	if (!pointer)
		return;
	state = counts(switches, cookie, CONTROL_COUNTING);
	if (!state)
		return;
	below = is_layer_below(ctx, state, pointer);
	if (!pool)
		below |= give_up_pool_memory(state, slot, pointer);
	err = take_any(state, slot, pointer, pool, &block);
	if (!err) {
		trace_free(slot, pointer, CALLER(ctx));
		count_death(slot, &block);
	} else if (err == -ENOENT && switches->flags & CONTROL_SAMPLING) {
		lose(LOSS_UNRECORDED_FREE); /* most of all: who called it is not asked */
	} else if (err == -ENOENT && below) {
		lose(LOSS_NESTED_FREE);
	} else if (err == -ENOENT) {
		count_unheld_free(ctx, state, slot, pointer);
	}
}

int enter(struct pt_regs *ctx)
{
	u64 cookie = COOKIE(ctx);
	u32 role = COOKIE_ROLE(cookie), slot = COOKIE_SLOT(cookie), counted = 0, zero = 0;
	struct control *switches = control.lookup(&zero);
	struct mapping_code *code = NULL;
	struct arguments given = {};
	struct slot_state *state;
	struct in_flight *call;

	count_hit(ctx, cookie, 0);
	if (!switches) /* never */
		return NO_RETURN_WANTED;
	if (role != ROLE_BIRTH && !(cookie & COOKIE_MAPPING))
		count_seen(switches);
	if (role == ROLE_DEATH && !(cookie & COOKIE_MAPPING)) {
		enter_free(ctx, switches, cookie);
		return NO_RETURN_WANTED;
	}
	if (role == ROLE_BIRTH && !(cookie & COOKIE_MAPPING) && is_left_out(switches, 0))
		return NO_RETURN_WANTED;
	read_arguments(ctx, cookie, &given);
	if (cookie & COOKIE_MAPPING) {
		code = mapping_codes.lookup(&slot);
		if (!code || !is_own_mapping(ctx, cookie, code, &given, &counted))
			return NO_RETURN_WANTED;
	}
	state = counts(switches, cookie, CONTROL_ARMED | CONTROL_LEARNING);
	call = state ? begin_call(ctx, cookie) : NULL;
	if (!call)
		return NO_RETURN_WANTED;
	if (code) {
		enter_mapping(call, code, &given, counted);
		return RETURN_WANTED;
	}
	call->pending = serves_pool(ctx, state, cookie) ? PENDING_IN_POOL : PENDING;
	if (role == ROLE_RESIZE)
		enter_resize(switches, state, &given, call, cookie);
	else
		enter_birth(&given, call, cookie);
	return cookie & COOKIE_BY_EXITS || !call->pending ? NO_RETURN_WANTED : RETURN_WANTED;
}
