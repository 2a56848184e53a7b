/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Stopping a process that was started for us, until user space has done what cannot wait.
 */
#define SIGCONT 18
#define SIGSTOP 19

static __always_inline u64 kernel_word(u64 at)
{
	u64 word = 0;

	bpf_probe_read_kernel(&word, sizeof(word), (void *)at);
	return word;
}

static __always_inline u32 kernel_half(u64 at)
{
	u32 half = 0;

	bpf_probe_read_kernel(&half, sizeof(half), (void *)at);
	return half;
}

/* The signal_struct of this thread's process; 0 where the kernel's types are not known. */
static __always_inline u64 own_group(struct control *known)
{
	if (!known || !known->exits.signal)
		return 0;
	return kernel_word(bpf_get_current_task() + known->exits.signal);
}

/* Is there still who lets this process go on? The children of a process that ends get another parent
 * before they get the signal that they have asked for (forget_original_parent of kernel/exit.c). */
static __always_inline u32 is_child_of_owner(struct control *known)
{
	u64 parent;

	if (!known->exits.parent || !known->owner)
		return 1;
	parent = kernel_word(bpf_get_current_task() + known->exits.parent);
	return kernel_half(parent + known->exits.process) == known->owner;
}

/* Stops this process on its way back to user mode. 1 where it will: only then may user space be told, or
 * its SIGCONT could come first. Of an owner that is killed meanwhile either the SIGCONT comes later, or it
 * is seen here that it has gone. */
static __always_inline u32 hold(void)
{
	u32 zero = 0;
	struct control *known = control.lookup(&zero);

	if (!known || !is_child_of_owner(known) || bpf_send_signal(SIGSTOP))
		return 0;
	if (is_child_of_owner(known))
		return 1;
	bpf_send_signal(SIGCONT);
	return 0;
}

/* As `hold`, for one of a single thread: it is in no system call that a stop would interrupt (signal(7),
 * EINTR after SIGCONT). Not for who shares its memory: a SIGCONT would go to another process. */
static __always_inline u32 hold_if_alone(void)
{
	struct own_ids ids = own_ids();
	u32 *slot = watched.lookup(&ids.process), zero = 0;
	struct control *known;
	u64 group;

	if (!slot || !(*slot & WATCH_HELD))
		return 0;
	known = control.lookup(&zero);
	group = own_group(known);
	if (!known || !group || kernel_half(group + known->exits.live) != 1)
		return 0;
	return hold();
}
