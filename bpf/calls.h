/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Matching returns to entries: one pending call a thread, the outermost. A return belongs to it only
 * if the stack pointer fits. A function entered while a call is pending is nested (ignored), its
 * tail call (the first entry keeps the record), or the pending call is stale (`call_lost`).
 *
 * Functions through which an exception may pass have no return probe. Probes on their last instructions see
 * them return, and nothing tells of an exception: what is left pending then is known by its return
 * address, which is not where it was any more.
 */
#define NESTED_BYTES (1ULL << 20)
#define NESTED_NS SECOND
#define MAY_WAIT_NS (10 * SECOND)

/* A pending return probe puts the kernel's trampoline in place of the return address: the start of
 * the [uprobes] page, and next to no real return address lies on a page boundary. */
#define IS_TRAMPOLINE(address) ((address) && !((address)&0xfff))

/* Is a return probe pending that was placed when the stack pointer was `sp`? */
static __always_inline int returns_to_trampoline(u64 sp)
{
#ifdef RETURN_ADDRESS_ON_STACK
	u64 address = 0;

	return !bpf_probe_read_user(&address, sizeof(address), (void *)sp) && IS_TRAMPOLINE(address);
#else
	/* The function has saved it where its rules would tell: the kernel knows which ones it waits for. */
	u32 zero = 0;
	struct control *known = control.lookup(&zero);
	struct replaced replaced;
	u64 instance;

	if (!known || !known->returns.utask)
		return 1;
	instance = first_pending(known);
	for (u32 i = 0; i < MOST_PENDING && instance; i++) {
		instance = read_pending(known, instance, &replaced);
		if (replaced.stack == sp)
			return 1;
	}
	return 0;
#endif
}

/* Is the call still on the stack whose pointer is now `sp`? */
static __always_inline int encloses(struct in_flight *call, u64 sp, u64 now)
{
	u64 depth = call->sp - sp;

	return depth && depth < NESTED_BYTES && now - call->entered < NESTED_NS &&
	       returns_to_trampoline(call->sp);
}

static __always_inline int is_other_function(struct in_flight *call, u32 cookie)
{
	return COOKIE_CALLED(call->cookie) != COOKIE_CALLED(cookie);
}

/* Has the pending call jumped here, to another function or to itself by another name? A new call has put a
 * return address of its own there. */
static __always_inline int is_tail_call(struct pt_regs *ctx, struct in_flight *call)
{
	u64 address = CALLER(ctx);

	return call->sp == PT_REGS_SP(ctx) && IS_TRAMPOLINE(address);
}

/* Has the thread left that call for a stack above it, to come back (swapcontext in malloc)? The kernel
 * takes what lies below a new return probe for over, forgets it (cleanup_return_instances), and ends the
 * target when it does return. Only session programs can prevent that, by wanting no return here. A jump
 * out of malloc looks the same: what follows it is lost until its stack is used again. */
static __always_inline int may_wait_below(struct in_flight *call, u64 sp, u64 now)
{
	return CAN_DECLINE && call->sp < sp && now - call->entered < MAY_WAIT_NS &&
	       returns_to_trampoline(call->sp);
}

/* As `encloses`, of a call whose exits are probed: is its return address where it was? */
static __always_inline int encloses_by_exits(struct in_flight *call, u64 sp, u64 now)
{
	u64 depth = call->sp - sp;

	return depth < NESTED_BYTES && now - call->entered < NESTED_NS && word_at(call->sp) == call->caller;
}

static __always_inline void abandon(struct in_flight *call)
{
	lose(LOSS_CALL_LOST);
	trace_lost(call);
	if (call->took_old)
		put_back(COOKIE_SLOT(call->cookie), call->pointer, &call->old);
	call->took_old = 0;
}

/* Where calls are kept of which `cookie` is. */
static __always_inline u32 record_key(u32 cookie)
{
	u32 thread = bpf_get_current_pid_tgid();

	if (cookie & COOKIE_MAPPING)
		return thread | COOKIE_MAPPING;
	return COOKIE_FAMILY(cookie) == FAMILY_POOL ? thread | POOL_CALL : thread;
}

/* What is known of this thread's calls; NULL where there is no room. */
static __always_inline struct in_flight *own_record(u32 cookie)
{
	u32 thread = record_key(cookie);
	struct in_flight *call = in_flight.lookup(&thread), fresh = {};
	int err;

	if (call)
		return call;
	err = in_flight.insert(&thread, &fresh);
	call = in_flight.lookup(&thread);
	if (!call)
		lose(err == -E2BIG ? LOSS_IN_FLIGHT_FULL : LOSS_MAP_BUSY);
	return call;
}

/* Does the pending call, whose exits are probed, own what the call that starts here at `sp` gives? Else
 * its record is free to be overwritten. */
static __always_inline int keeps_record(struct in_flight *call, u64 sp, u64 now, u32 cookie)
{
	if (!encloses_by_exits(call, sp, now) || (call->sp == sp && !is_other_function(call, cookie))) {
		if (call->took_old) /* an exception has passed it */
			abandon(call);
		return 0;
	}
	if (call->sp != sp) { /* it has called this one */
		if (call->cookie & COOKIE_YIELDS && !call->took_old)
			return 0;
		lose(LOSS_NESTED);
		return 1;
	}
	/* It has jumped here. Whoever has a return probe sees the return, else the exits are the same. */
	return call->took_old || cookie & COOKIE_BY_EXITS;
}

/* The record to fill for a call that starts here and counts; NULL where an outer call owns the block. */
static __always_inline struct in_flight *begin_call(struct pt_regs *ctx, u32 cookie)
{
	struct in_flight *call;
	u64 now, sp = PT_REGS_SP(ctx);

	now = bpf_ktime_get_ns();
	call = own_record(cookie);
	if (!call)
		return NULL;
	if (call->pending && may_wait_below(call, sp, now)) {
		lose(LOSS_CALL_LOST);
		return NULL;
	}
	if (call->pending && call->cookie & COOKIE_BY_EXITS) {
		if (COOKIE_SLOT(call->cookie) == COOKIE_SLOT(cookie) && keeps_record(call, sp, now, cookie))
			return NULL;
	} else if (call->pending && COOKIE_SLOT(call->cookie) == COOKIE_SLOT(cookie)) {
		if (is_tail_call(ctx, call))
			return NULL;
		if (encloses(call, sp, now)) {
			lose(LOSS_NESTED);
			return NULL;
		}
		abandon(call);
	}
	call->sp = sp;
	call->entered = now;
	call->cookie = cookie;
	call->took_old = 0;
	call->caller = cookie & COOKIE_BY_EXITS ? CALLER(ctx) : 0;
	return call;
}

/* Is this called by `call`, which waits in the same thread? */
static __always_inline int is_inside(struct pt_regs *ctx, struct in_flight *call, u32 slot)
{
	u64 now = bpf_ktime_get_ns(), sp = PT_REGS_SP(ctx);

	if (!call || !call->pending || COOKIE_SLOT(call->cookie) != slot)
		return 0;
	if (call->cookie & COOKIE_BY_EXITS)
		return encloses_by_exits(call, sp, now);
	return is_tail_call(ctx, call) || encloses(call, sp, now);
}

/* Is the allocator called by a pool's function: is what it gives the pool's own memory? */
static __always_inline int serves_pool(struct pt_regs *ctx, struct slot_state *state, u32 cookie)
{
	u32 slot = COOKIE_SLOT(cookie), key;
	struct in_flight *call;

	if (!state || !state->pools || COOKIE_FAMILY(cookie) == FAMILY_POOL)
		return 0;
	key = (u32)bpf_get_current_pid_tgid() | POOL_CALL;
	call = in_flight.lookup(&key);
	if (call && call->cookie & COOKIE_BY_EXITS && call->sp == PT_REGS_SP(ctx))
		return 0; /* it has jumped here, and is not seen to return */
	return is_inside(ctx, call, slot);
}

/* At a return probe, or at an exit: there the return is still to come. 0 where the branch that is probed
 * does not lead to it. */
static __always_inline int see_return(struct pt_regs *ctx, u64 cookie, struct returned *seen)
{
	u64 sp = PT_REGS_SP(ctx);

	if (COOKIE_ROLE(cookie) != ROLE_EXIT) {
		seen->result = PT_REGS_RC(ctx);
		seen->pc = PT_REGS_IP(ctx);
		seen->sp = sp;
		seen->fp = PT_REGS_FP(ctx);
		seen->sp_before = SP_BEFORE_RETURN(ctx);
		return 1;
	}
	if (!condition_holds(ctx, COOKIE_CONDITION(cookie)))
		return 0;
	seen->result = register_of(ctx, COOKIE_RESULT(cookie));
	seen->sp_before = sp + 8 * COOKIE_RETURN_AT(cookie);
	seen->pc = word_at(seen->sp_before);
	seen->sp = seen->sp_before + WORD_OF_RETURN;
	seen->fp = COOKIE_FP_AT(cookie) ? word_at(sp + 8 * (COOKIE_FP_AT(cookie) - 1)) : PT_REGS_FP(ctx);
	return 1;
}

static __always_inline struct in_flight *pending_at(u32 key, struct returned *seen, u32 by_exit)
{
	struct in_flight *call = in_flight.lookup(&key);

	if (call && (!call->pending || call->sp != seen->sp_before))
		call = NULL;
	if (call && by_exit != !!(call->cookie & COOKIE_BY_EXITS))
		call = NULL;
	asm volatile("" : "+r"(call)); /* or clang takes the tests apart, and the verifier does not follow */
	return call;
}

/* The pending call that returns so; NULL where there is none (a nested or tail call's return, an exit that is
 * shared with a function that has a return probe). */
static __always_inline struct in_flight *returning_call(struct returned *seen, u64 cookie)
{
	u32 thread = record_key(cookie);
	struct in_flight *call = pending_at(thread, seen, COOKIE_ROLE(cookie) == ROLE_EXIT);

	if (!call && !cookie) /* the kernel does not say which of them: first what was called last */
		call = pending_at(thread | POOL_CALL, seen, 0);
	if (!call && !cookie)
		call = pending_at(thread | COOKIE_MAPPING, seen, 0);
	return call;
}
