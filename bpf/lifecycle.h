/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Threads that end, programs that are replaced, processes that fork. Raw tracepoints need no tracefs;
 * they run for every process of the host, so the first look-up decides.
 */

#define CLONE_VM 0x00000100
#define CLONE_THREAD 0x00010000

/* 0 if it was told. */
static __always_inline int tell(u32 kind, u32 slot, u32 thread, u32 flags)
{
	struct event event = {.kind = kind,
			      .slot = slot,
			      .count = thread,
			      .called = flags,
			      .stack = bpf_ktime_get_ns()};

	if (!events.ringbuf_output(&event, sizeof(event), 0))
		return 0;
	lose(LOSS_RINGBUF_FULL);
	return 1;
}

/* A launched process is held until user space has heard of it; not where that cannot be told. Then no probe
 * of the new program counts. */
static __always_inline void tell_program(u32 kind, u32 watch, u32 process)
{
	u32 held = watch & WATCH_HELD ? hold() : 0;

	if (!tell(kind, WATCH_SLOT(watch), process, held))
		return;
	lose(LOSS_PROBE_MISSED);
	if (held)
		bpf_send_signal(SIGCONT);
}

#define SIGNAL_GROUP_EXIT 4 /* include/linux/sched/signal.h */

/* By what the process ends; 0 while that is open. It is settled when all threads are told to end
 * (exit_group, a signal), or when the last one does: then it is the code of the first thread
 * (wait_task_zombie of kernel/exit.c). */
static __always_inline u32 told_exit(struct control *known, u64 group)
{
	u32 code;

	if (!known || !group)
		return 0;
	if (kernel_half(group + known->exits.flags) & SIGNAL_GROUP_EXIT)
		code = kernel_half(group + known->exits.group_code);
	else if (!kernel_half(group + known->exits.live))
		code = kernel_half(kernel_word(bpf_get_current_task() + known->exits.leader) +
				   known->exits.code);
	else
		return 0;
	code = (code & EXIT_CODE) | EXIT_TOLD;
	if (kernel_word(group + known->exits.oom_mm)) /* set by mark_oom_victim of mm/oom_kill.c */
		code |= EXIT_OOM;
	return code;
}

/* Is this the last thread of its process? Where the kernel's types do not tell: its first one. */
static __always_inline u32 is_last(struct control *known, u64 group, struct own_ids ids)
{
	return known && group ? !kernel_half(group + known->exits.live) : ids.thread == ids.process;
}

/* Of a thread that is watched, and of the last one of a process that is: its first thread may have ended
 * before, and its probes not be with another one yet. Of a process that has no slot only the last one
 * counts; where the kernel's types do not tell which that is, the first. */
int on_thread_exit(void *ctx) /* sched_process_exit */
{
	u32 thread = bpf_get_current_pid_tgid(), zero = 0;
	struct own_ids ids = own_ids();
	u32 *slot = watched.lookup(&ids.thread), *owner;
	u64 group;
	u32 last;
	struct control *known;

	owner = slot ? slot : watched.lookup(&ids.process);
	if (owner) {
		known = control.lookup(&zero);
		group = own_group(known);
		last = is_last(known, group, ids);
		if (!WATCH_SLOT(*owner)) {
			if (last)
				tell(EVENT_THREAD_EXIT, 0, ids.process, 0);
		} else if (slot || (group && last)) {
			tell(EVENT_THREAD_EXIT, WATCH_SLOT(*owner), ids.thread, told_exit(known, group));
		}
		if (last && *owner & WATCH_FOLLOW) /* nobody else may know of it */
			watched.delete(&ids.process);
	}
	if (fault_slots.lookup(&ids.process)) {
		known = control.lookup(&zero);
		if (is_last(known, own_group(known), ids))
			fault_slots.delete(&ids.process);
	}
	in_flight.delete(&thread);
	thread |= COOKIE_MAPPING;
	in_flight.delete(&thread);
	thread ^= COOKIE_MAPPING | POOL_CALL;
	in_flight.delete(&thread);
	return 0;
}

/* Of who is not watched, where a program is waited for. It is no loss where the ring is full: user space
 * looks at all processes now and then. */
static __always_inline void tell_exec(u32 process)
{
	struct event event = {.kind = EVENT_EXEC, .count = process, .stack = bpf_ktime_get_ns()};
	u32 zero = 0;
	struct control *known = control.lookup(&zero);

	if (process && known && known->flags & CONTROL_EXECS)
		events.ringbuf_output(&event, sizeof(event), 0);
}

/* The new program's first call may come before user space hears of it: the slot ends here. */
int on_exec(void *ctx) /* sched_process_exec */
{
	struct own_ids ids = own_ids();
	u32 *slot = watched.lookup(&ids.process);
	struct slot_state *state;
	u32 index;

	fault_slots.delete(&ids.process); /* its stacks would be walked by the rules of the program before */
	if (!slot) {
		tell_exec(ids.process);
		return 0;
	}
	index = WATCH_SLOT(*slot);
	state = index ? slots.lookup(&index) : 0;
	if (state)
		state->live = 0;
	tell_program(EVENT_EXEC, *slot, ids.process);
	return 0;
}

#define LOADS_NS (SECOND / 10)
#define MOST_LOADS 32 /* in that time */

/* A program may call that function as often as it likes, and the ring buffer is there for all. User space
 * looks once more some time after it was told, at what was not. */
static __always_inline int may_tell_load(u32 slot)
{
	struct slot_state *state = slots.lookup(&slot);
	u64 now = bpf_ktime_get_ns();

	if (!state)
		return 0;
	if (now - state->loads_since > LOADS_NS) {
		state->loads_since = now;
		state->loads = 0;
	}
	__sync_fetch_and_add(&state->loads, 1); /* its result is to be had from 5.12 on (5ca419f2864a) */
	return state->loads <= MOST_LOADS;
}

/* At the function that a loader calls for debuggers, before and after it maps or unmaps libraries. */
int on_loaded(struct pt_regs *ctx)
{
	struct own_ids ids = own_ids();
	u32 *slot = watched.lookup(&ids.process);

	if (slot && (*slot & WATCH_HELD || may_tell_load(WATCH_SLOT(*slot))))
		tell_program(EVENT_LOADED, *slot, ids.process);
	return 0;
}

#define MOST_PID_SPACES 32 /* MAX_PID_NS_LEVEL of include/linux/pid_namespace.h */

/* The process that a task is, as user space numbers it; 0 where that is not known. */
static __always_inline u32 process_of(struct control *known, u64 task)
{
#ifdef PID_NAMESPACE
	u64 pid, number;
	u32 level, at;

	if (!known->pids.pid)
		return 0;
	pid = kernel_word(task + known->pids.pid);
	level = kernel_half(pid + known->pids.level);
	for (at = 0; at <= MOST_PID_SPACES; at++) {
		if (at > level)
			break;
		number = pid + known->pids.numbers + at * 16; /* sizeof(struct upid) */
		if (kernel_half(kernel_word(number + known->pids.space) + known->pids.common +
				known->pids.inode) == (u32)PID_NAMESPACE)
			return kernel_half(number + known->pids.number);
	}
	return 0;
#else
	return known->exits.process ? kernel_half(task + known->exits.process) : 0;
#endif
}

/* It has the events of the process that makes it: its faults are for the same slot. */
static __always_inline void inherit_faults(u64 task, u32 value)
{
	u32 zero = 0, child;
	struct control *known = control.lookup(&zero);

	child = known ? process_of(known, task) : 0;
	if (child && fault_slots.update(&child, &value))
		lose(LOSS_PROCESS_MISSED);
}

/* The task is there but does not run yet. A new thread of the process is nothing to tell. */
int on_new_task(u64 *ctx) /* task_newtask(task, clone_flags) */
{
	struct own_ids ids;
	struct control *known;
	u32 flags = ctx[1];
	u32 *slot, *fault_slot, zero = 0, child, value = WATCH_FOLLOW, inherited;

	if (flags & CLONE_THREAD)
		return 0;
	ids = own_ids();
	slot = watched.lookup(&ids.process);
	fault_slot = fault_slots.lookup(&ids.process);
	if (fault_slot) {
		inherited = FAULT_SLOT(*fault_slot) | FAULT_INHERITED | (flags & CLONE_VM ? FAULT_SHARES : 0);
		inherit_faults(ctx[0], inherited);
	}
	if (!slot)
		return 0;
	known = control.lookup(&zero);
	child = known ? process_of(known, ctx[0]) : 0;
	if (child && *slot & WATCH_FOLLOW && watched.update(&child, &value))
		lose(LOSS_PROCESS_MISSED);
	tell(EVENT_FORK, WATCH_SLOT(*slot), child, flags);
	return 0;
}
