/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Calls as records, where a log of them is asked for: made where the totals change, so that both tell the
 * same. Elsewhere nothing of this is compiled.
 *
 * Their order, which the ring buffer keeps over all cpus, is one in which every address is free when it is
 * given: a free and the begin of a resize are recorded before the allocator sees them, a birth after
 * the allocator has given the block and before the target has it.
 */
#ifdef TRACE_PAGES

#define NO_WAKEUP 1 /* BPF_RB_NO_WAKEUP (457f44363a88, 5.8) */
/* Of a block that is not tracked nobody knows then whether it is older than the attach. */
#define TRACED_UNHELD (!(MIN_SIZE) && (MAX_SIZE) == ~0ULL)

static __always_inline void trace_call(struct call *call, u32 slot, u32 kind)
{
	call->thread = bpf_get_current_pid_tgid();
	call->slot = slot;
	call->kind = kind;
	if (calls.ringbuf_output(call, sizeof(*call), NO_WAKEUP))
		lose(LOSS_TRACE_FULL);
}

static __always_inline void trace_free(u32 slot, u64 address, u64 caller)
{
	struct call record = {.address = address, .caller = caller};

	trace_call(&record, slot, CALL_FREED);
}

static __always_inline void trace_unheld_free(u32 slot, u64 address, u64 caller)
{
	if (TRACED_UNHELD)
		trace_free(slot, address, caller);
}

static __always_inline int traces_old(struct in_flight *call)
{
	return call->pointer && (call->took_old || TRACED_UNHELD);
}

static __always_inline void trace_resizing(struct in_flight *call)
{
	struct call record = {.old = call->pointer, .size = call->size};

	if (traces_old(call) && is_armed())
		trace_call(&record, COOKIE_SLOT(call->cookie), CALL_RESIZING);
}

static __always_inline void trace_lost(struct in_flight *call)
{
	struct call record = {.old = call->pointer};

	if (call->took_old)
		trace_call(&record, COOKIE_SLOT(call->cookie), CALL_RESIZE_LOST);
}

/* What `call` has returned. `old_is` says what became of a resized block; CALL_RESIZE_FREED with a result:
 * what came in its place is not tracked. */
static __always_inline void trace_return(u64 caller, struct in_flight *call, u64 result, u32 old_is)
{
	struct call record = {.address = result, .size = call->size, .caller = caller};
	u32 kind = CALL_ALLOCATED;

	if (!is_armed())
		return;
	if (traces_old(call)) {
		record.old = call->pointer;
		kind = old_is;
	} else if (result && old_is == CALL_RESIZE_FREED) {
		return;
	}
	trace_call(&record, COOKIE_SLOT(call->cookie), kind);
}

#else
#define trace_free(slot, address, caller)
#define trace_unheld_free(slot, address, caller)
#define trace_resizing(call)
#define trace_lost(call)
#define trace_return(caller, call, result, old_is)
#endif
