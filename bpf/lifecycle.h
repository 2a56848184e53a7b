/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Threads that end and programs that are replaced. Raw tracepoints need no tracefs; they run for
 * every process of the host, so the first look-up decides.
 */

static __always_inline void tell(u32 kind, u32 slot, u32 thread)
{
	struct event event = {.kind = kind, .slot = slot, .count = thread, .stack = bpf_ktime_get_ns()};

	if (events.ringbuf_output(&event, sizeof(event), 0))
		lose(LOSS_RINGBUF_FULL);
}

int on_thread_exit(void *ctx) /* sched_process_exit */
{
	u32 thread = bpf_get_current_pid_tgid();
	u32 *slot = watched.lookup(&thread);

	if (slot)
		tell(EVENT_THREAD_EXIT, *slot, thread);
	in_flight.delete(&thread);
	return 0;
}

/* The new program's first call may come before user space hears of it: the slot retires here. */
int on_exec(void *ctx) /* sched_process_exec */
{
	u32 process = bpf_get_current_pid_tgid() >> 32;
	u32 *slot = watched.lookup(&process);
	struct slot_state *state;
	u32 index;

	if (!slot)
		return 0;
	index = *slot;
	state = slots.lookup(&index);
	if (state)
		state->retired = 1;
	tell(EVENT_EXEC, index, process);
	return 0;
}
