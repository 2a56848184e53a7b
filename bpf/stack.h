/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The call stack at an allocator's return, as a hash; a new stack goes to user space once.
 *
 * uprobe programs can be preempted on PREEMPT kernels and the scratch is per cpu, so its owner is
 * checked again after each use; user space recomputes the hash of what it gets.
 */
#define BPF_F_USER_STACK_FLAG 256ULL
#define WALK_TRIES 3
#define LOWEST_CODE 0x1000ULL
#define HIGHEST_CODE 0xffffffffffffULL

/* The hash of the frames of a walk; `event.count` becomes how many there really are: where code was
 * built without frame pointers the kernel goes on into whatever lies on the stack. 0 stands for "not
 * kept", so no hash is 0. */
static __always_inline u64 hash_of(struct walk *walk, u32 frames, u32 called)
{
	u64 hash = hash_step(HASH_SEED, called);
	u32 i;

	for (i = 0; i < STACK_DEPTH; i++) {
		asm volatile("" : "+r"(i)); /* or clang turns the bound into one the verifier cannot see */
		if (i >= frames || i >= STACK_DEPTH)
			break;
		if (walk->pcs[i] - LOWEST_CODE > HIGHEST_CODE - LOWEST_CODE)
			break;
		hash = hash_step(hash, walk->pcs[i]);
	}
	*(volatile u32 *)&walk->event.count = i; /* by way of memory: one state, not one a count */
	return hash ? hash : 1;
}

static __always_inline u64 stack_of(void *ctx, u32 slot, u32 called)
{
	u64 thread = bpf_get_current_pid_tgid(), hash;
	struct walk *walk;
	u32 zero = 0, frames;
	u8 seen = 1;
	long size;
	int err;

	for (int attempt = 0; attempt < WALK_TRIES; attempt++) {
		walk = walks.lookup(&zero);
		if (!walk)
			return 0;
		*(volatile u64 *)&walk->owner = thread;
		size = bpf_get_stack(ctx, walk->pcs, sizeof(walk->pcs), BPF_F_USER_STACK_FLAG);
		if (size < 0)
			size = 0;
		hash = hash_of(walk, size / 8, called);
		frames = *(volatile u32 *)&walk->event.count;
		if (*(volatile u64 *)&walk->owner != thread)
			continue;
		if (!frames)
			lose(LOSS_STACK_UNREADABLE);
		if (frames >= STACK_DEPTH)
			lose(LOSS_STACK_TRUNCATED);
		if (stacks_seen.lookup(&hash))
			return hash;
		walk->event.kind = EVENT_STACK;
		walk->event.slot = slot;
		walk->event.called = called;
		walk->event.stack = hash;
		if (frames > STACK_DEPTH) /* never; the verifier wants to be told */
			frames = STACK_DEPTH;
		err = stacks_seen.insert(&hash, &seen);
		if (err) { /* another cpu was first, or there is no room to remember it */
			if (err == -EEXIST)
				return hash;
			lose(err == -E2BIG ? LOSS_STACKS_FULL : LOSS_MAP_BUSY);
			return 0;
		}
		err = events.ringbuf_output(&walk->event, sizeof(walk->event) + 8 * frames, 0);
		if (!err && *(volatile u64 *)&walk->owner == thread)
			return hash;
		stacks_seen.delete(&hash); /* to be offered again */
		if (err) {
			lose(LOSS_RINGBUF_FULL);
			return hash;
		}
	}
	lose(LOSS_STACK_UNREADABLE);
	return 0;
}
