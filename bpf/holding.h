/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Stopping a process that was started for us, until user space has done what cannot wait.
 */
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

/* Stops this process on its way back to user mode. 1 where it will: only then may user space be told, or
 * its SIGCONT could come first. */
static __always_inline u32 hold(void)
{
	return !bpf_send_signal(SIGSTOP);
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
