/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The call stack at an allocator's return, as a hash; a new stack goes to user space once.
 *
 * uprobe programs can be preempted on PREEMPT kernels and the scratch is per cpu, so its owner is
 * checked again after each use; user space recomputes the hash of what it gets.
 */
#define WALK_TRIES 2
#define LOWEST_CODE 0x1000ULL
#define HIGHEST_CODE 0xffffffffffffULL
#define MOST_BETWEEN_FRAMES (8ULL << 20)

/* What is kept in memory is one state for the verifier, whatever path led to it. */
#define KEPT(place) (*(volatile typeof(place) *)&(place))

/* Frame records lie at ever higher addresses. What does not is no frame pointer, but whatever code built
 * without them keeps in that register: reading there would fault, at 500 ns a stack. */
static __always_inline int goes_on(u64 fp, u64 inner)
{
	return fp - inner < MOST_BETWEEN_FRAMES && !(fp & 7);
}

/* Read the stack from `at` to the end of its page: no more, for the next one may not be there. */
static __always_inline void read_stack(struct walk *walk, u64 at)
{
	u64 size = sizeof(walk->words) - (at & (sizeof(walk->words) - 1));

	if (size < 16)
		size = 16;
	KEPT(walk->from) = at;
	KEPT(walk->span) = 0;
	if (!bpf_probe_read_user(walk->words, size, (void *)at))
		KEPT(walk->span) = size - 8;
}

/* From the frame record at `fp` to the next one outward; a pc of 0 ends the walk. */
static __always_inline void step(struct walk *walk)
{
	u64 fp = KEPT(walk->fp), at;

	KEPT(walk->pc) = 0;
	if (!fp)
		return;
	if (fp - KEPT(walk->from) >= KEPT(walk->span))
		read_stack(walk, fp);
	at = fp - KEPT(walk->from);
	if (at >= KEPT(walk->span))
		return;
	at >>= 3;
	asm volatile("" : "+r"(at)); /* or clang proves the next line away */
	if (at >= STACK_WORDS - 1)
		return;
	KEPT(walk->pc) = walk->words[at + 1];
	KEPT(walk->fp) = goes_on(walk->words[at], fp + 16) ? walk->words[at] : 0;
}

/* Walk by frame pointers and hash on the way. `event.count` becomes the number of frames. 0 stands for
 * "not kept", so no hash is 0. bpf_get_stack reads each record by itself and then one that faults: it
 * takes 1,200 ns more at depth 10. */
static __always_inline u64 walk_frame_pointers(struct walk *walk, struct pt_regs *ctx, u32 called)
{
	u64 hash = hash_step(HASH_SEED, called), sp = PT_REGS_SP(ctx), pc;
	u32 i;

	KEPT(walk->pc) = PT_REGS_IP(ctx);
	KEPT(walk->fp) = goes_on(PT_REGS_FP(ctx), sp) ? PT_REGS_FP(ctx) : 0;
	read_stack(walk, sp & ~7ULL);
	if (!KEPT(walk->span)) /* paged out: only the innermost frame is known */
		lose(LOSS_STACK_UNREADABLE);
	for (i = 0; i < STACK_DEPTH; i++) {
		asm volatile("" : "+r"(i)); /* or clang turns the bound into one the verifier cannot see */
		if (i >= STACK_DEPTH)
			break;
		pc = KEPT(walk->pc);
		if (pc - LOWEST_CODE > HIGHEST_CODE - LOWEST_CODE)
			break;
		walk->pcs[i] = pc;
		hash = hash_step(hash, pc);
		step(walk);
	}
	KEPT(walk->event.count) = i;
	return hash ? hash : 1;
}

static __always_inline u64 stack_of(struct pt_regs *ctx, u32 slot, u32 called)
{
	u64 thread = bpf_get_current_pid_tgid(), hash;
	struct walk *walk;
	u32 zero = 0, frames;
	u8 seen = 1;
	int err;

	for (int attempt = 0; attempt < WALK_TRIES; attempt++) {
		walk = walks.lookup(&zero);
		if (!walk)
			return 0;
		*(volatile u64 *)&walk->owner = thread;
		hash = walk_frame_pointers(walk, ctx, called);
		frames = *(volatile u32 *)&walk->event.count;
		if (*(volatile u64 *)&walk->owner != thread)
			continue;
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
