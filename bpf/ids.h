/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The numbers of threads and processes, of which each pid namespace has its own.
 */

struct own_ids {
	u32 thread, process; /* as struct bpf_pidns_info has them */
};

/* As user space numbers them, which may live in a namespace of its own, as in a container; 0 for those of
 * another one. (bpf_get_ns_current_pid_tgid: b4490c5c4e02, 5.7) */
static __always_inline struct own_ids own_ids(void)
{
	struct own_ids ids = {};
#ifdef PID_NAMESPACE
	if (bpf_get_ns_current_pid_tgid(PID_DEVICE, PID_NAMESPACE, (void *)&ids, sizeof(ids)))
		ids.thread = ids.process = 0;
#else
	u64 both = bpf_get_current_pid_tgid();

	ids.thread = both;
	ids.process = both >> 32;
#endif
	return ids;
}
