/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Threads that end, programs that are replaced, processes that fork. Raw tracepoints need no tracefs;
 * they run for every process of the host, so the first look-up decides.
 */

#define CLONE_THREAD 0x00010000

static __always_inline void tell(u32 kind, u32 slot, u32 thread, u32 flags)
{
	struct event event = {.kind = kind,
			      .slot = slot,
			      .count = thread,
			      .called = flags,
			      .stack = bpf_ktime_get_ns()};

	if (events.ringbuf_output(&event, sizeof(event), 0))
		lose(LOSS_RINGBUF_FULL);
}

int on_thread_exit(void *ctx) /* sched_process_exit */
{
	u32 thread = bpf_get_current_pid_tgid();
	u32 *slot = watched.lookup(&thread);

	if (slot)
		tell(EVENT_THREAD_EXIT, *slot, thread, 0);
	in_flight.delete(&thread);
	return 0;
}

/* The new program's first call may come before user space hears of it: the slot ends here. */
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
		state->live = 0;
	tell(EVENT_EXEC, index, process, 0);
	return 0;
}

/* The task is there but does not run yet. A new thread of the process is nothing to tell. */
int on_new_task(u64 *ctx) /* task_newtask(task, clone_flags) */
{
	u32 process = bpf_get_current_pid_tgid() >> 32, flags = ctx[1];
	u32 *slot;

	if (flags & CLONE_THREAD)
		return 0;
	slot = watched.lookup(&process);
	if (slot)
		tell(EVENT_FORK, *slot, bpf_get_current_pid_tgid(), flags);
	return 0;
}
