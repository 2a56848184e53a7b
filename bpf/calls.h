/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Matching returns to entries: one pending call a thread, the outermost. A return belongs to it only
 * if the stack pointer fits. A function entered while a call is pending is nested (ignored), its
 * tail call (the first entry keeps the record), or the pending call is stale (`call_lost`).
 */
#define NESTED_BYTES (1ULL << 20)
#define NESTED_NS SECOND
#define MAY_WAIT_NS (10 * SECOND)

/* A pending return probe puts the kernel's trampoline in place of the return address: the start of
 * the [uprobes] page, and next to no real return address lies on a page boundary. */
static __always_inline int returns_to_trampoline(u64 sp)
{
	u64 address = 0;

	return !bpf_probe_read_user(&address, sizeof(address), (void *)sp) && address &&
	       !(address & 0xfff);
}

/* Is the call still on the stack whose pointer is now `sp`? */
static __always_inline int encloses(struct in_flight *call, u64 sp, u64 now)
{
	u64 depth = call->sp - sp;

	return depth && depth < NESTED_BYTES && now - call->entered < NESTED_NS &&
	       returns_to_trampoline(call->sp);
}

static __always_inline int is_tail_call(struct in_flight *call, u64 sp, u32 cookie)
{
	return call->sp == sp && COOKIE_CALLED(call->cookie) != COOKIE_CALLED(cookie) &&
	       returns_to_trampoline(sp);
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

static __always_inline void abandon(struct in_flight *call)
{
	lose(LOSS_CALL_LOST);
	trace_lost(call);
	if (call->took_old)
		put_back(COOKIE_SLOT(call->cookie), call->pointer, &call->old);
	call->took_old = 0;
}

/* What is known of this thread's calls; NULL where there is no room. */
static __always_inline struct in_flight *own_record(void)
{
	u32 thread = bpf_get_current_pid_tgid();
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

/* The record to fill for a call that starts here; NULL where it does not count, or an outer call owns
 * the block. */
static __always_inline struct in_flight *begin_call(struct pt_regs *ctx, u32 cookie)
{
	struct in_flight *call;
	u64 now, sp = PT_REGS_SP(ctx);

	if (!counts(cookie, CONTROL_ARMED | CONTROL_LEARNING))
		return NULL;
	now = bpf_ktime_get_ns();
	call = own_record();
	if (!call)
		return NULL;
	if (call->pending && may_wait_below(call, sp, now)) {
		lose(LOSS_CALL_LOST);
		return NULL;
	}
	if (call->pending && COOKIE_SLOT(call->cookie) == COOKIE_SLOT(cookie)) {
		if (is_tail_call(call, sp, cookie))
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
	return call;
}

/* The pending call that returns here; NULL where there is none (a nested or tail call's return). */
static __always_inline struct in_flight *returning_call(struct pt_regs *ctx)
{
	u32 thread = bpf_get_current_pid_tgid();
	struct in_flight *call = in_flight.lookup(&thread);

	return call && call->pending && call->sp == SP_BEFORE_RETURN(ctx) ? call : NULL;
}
