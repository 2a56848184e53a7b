/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Every map: who writes, who reads, what happens when it is full. Sizes come from the loader as -D.
 * HASH_FLAGS is BPF_F_NO_PREALLOC (1) where tracing programs may allocate (6.1, 34dd3bad1a6f), so
 * that an unused entry costs nothing; elsewhere 0.
 */
#define MMAPABLE 1024 /* BPF_F_MMAPABLE (fc9702273e2e, 5.5) */

/* Written by user space, read by every probe. Index 0 only; never full. */
BPF_ARRAY(control, struct control, 1);

/* By slot. Written by user space and by exec (live), read by every probe; never full. */
BPF_ARRAY(slots, struct slot_state, SLOTS);

/* Thread -> pending call. Written by probes, removed at thread exit.
 * Full: the call is not tracked, `in_flight_full`. */
BPF_F_TABLE("hash", u32, struct in_flight, in_flight, MAX_THREADS, HASH_FLAGS);

/* slot<<48|address -> outstanding block. Written by probes, swept by user space after a slot ends,
 * read in slices on request. Full: the birth is not counted at all, `blocks_full`. */
BPF_F_TABLE("hash", u64, struct block, blocks, MAX_BLOCKS, HASH_FLAGS);

/* (stack, slot, epoch) -> counters that only grow. Written by probes; read, and when closed and
 * empty deleted, by user space. Full: the birth goes to the slot's cohort of stack 0, epoch 0, which
 * is made at attach: totals stay true, `cohorts_full` says that a call site is not. */
BPF_F_TABLE("hash", struct cohort_key, struct cohort, cohorts, MAX_COHORTS, HASH_FLAGS);

/* Hashes of the stacks that user space already has: SENT; 0 while one is being sent. Written by probes, never
 * read elsewhere.
 * Full: new stacks are counted as stack 0, `stacks_full`. */
BPF_F_TABLE("hash", u64, u8, stacks_seen, MAX_STACKS, HASH_FLAGS);

/* Process -> whose page faults its are: the slot, and FAULT_INHERITED. Written by user space, and for children by
 * fork; deleted by exec and exit too. Full: the child's faults are not counted, `process_missed`. */
BPF_F_TABLE("hash", u32, u32, fault_slots, 16 * SLOTS, HASH_FLAGS);

#ifdef WATCH_FAULTS /* only where growth may be watched: compiling that takes half as long again */
/* (stack, slot, process) -> page faults, which only grow. Written by the program of the fault events; read by
 * user space, which deletes those of tickets and of processes that have ended. Full: the fault goes to the
 * slot's entry of stack 0, process 0, which is made at its begin: `cohorts_full` says that a call site is not. */
BPF_F_TABLE("hash", struct fault_key, struct faults, faults, MAX_FAULTS, HASH_FLAGS);

/* A Bloom filter of pages that were touched since the begin: memory that is given back and taken again is no
 * growth. Written and read by the program of the fault events, cleared by user space before it is so full that
 * it takes many new pages for old ones. */
BPF_F_TABLE("array", u32, u64, touched, TOUCHED_BITS / 64, MMAPABLE);

/* Per cpu, written and read by the program of the fault events; never full. */
BPF_PERCPU_ARRAY(last_fault, struct fault_seen, 1);
#endif

/* Slot -> whose mappings are whose. Written by user space, read by the probes of the family mmap. Never full. */
BPF_F_TABLE("hash", u32, struct mapping_code, mapping_codes, SLOTS, HASH_FLAGS);

/* SLOT_KEY of thread stacks that were told: the one thing that an allocator's library unmaps and did not map
 * for itself. Written and read by probes. Full: the oldest is forgotten, and its end only found in the
 * process's maps, `missed_unmap`. */
BPF_TABLE("lru_hash", u64, u8, thread_stacks, 4096);

/* SLOT_KEY of blocks that a pool got from an allocator, and that are not counted. Written and read by probes.
 * Full: the oldest is forgotten, and its free may be `unmatched_free`. */
BPF_TABLE("lru_hash", u64, u8, pool_memory, 8192);

/* Threads and processes whose exit, exec or fork user space wants to hear of. Written by user space, and
 * for children that are followed by fork and exit. Full: the child is not followed, `process_missed`. */
BPF_F_TABLE("hash", u32, u32, watched, 16 * SLOTS, HASH_FLAGS);

/* New stacks, mappings, thread exits, execs, forks. Full: a mapping is not told, `mapping_lost`; the stack is offered again at its next hit,
 * `ringbuf_full`. */
BPF_RINGBUF_OUTPUT(events, RING_PAGES);

/* Walks that met no rule; apart, for they may be many at once. Whose stack one belongs to was sent before.
 * Full: the allocation is counted under the stump, `stack_cut`. */
BPF_RINGBUF_OUTPUT(misses, MISS_PAGES);

#ifdef TRACE_PAGES
/* Every call, for a log of them; only where one is asked for. Written by probes, read by the thread that
 * writes the log, which looks every 20 ms: a wake-up for each call would cost the target more than the
 * record. Full: the call is not in the log, `trace_full`; all counters are as they would be. */
BPF_RINGBUF_OUTPUT(calls, TRACE_PAGES);
#endif

/* Counters by `enum loss`, and hits by 2 * function + return; per cpu, never full. */
BPF_PERCPU_ARRAY(losses, u64, LOSSES);
BPF_PERCPU_ARRAY(hits, u64, 2 * FUNCTIONS);

#define RULES (1 << (64 - RULE_SHIFT))

/* Unwind rules by a hash of their key. Written by user space through its memory map, read by walks.
 * An entry that is taken already: the rule goes to `more_rules`. The `rule` of a last entry behind them is a
 * number that changes whenever a rule, or what is known of stacks, does not hold any more. */
BPF_F_TABLE("array", u32, struct rule_entry, rules, RULES + 1, MMAPABLE);

/* SLOT_KEY of a return address -> rule. Written by user space, read by walks. Full: user space counts
 * `rules_full`, and stacks end there. */
BPF_F_TABLE("hash", u64, u64, more_rules, MORE_RULES, HASH_FLAGS);

/* SLOT_KEY of a return address that has no rule, and its hash with the stack pointer -> how often it was
 * reported. Written by walks, and by user space where no rule can be made. Full: the oldest is
 * forgotten, and may be reported again. */
BPF_TABLE("lru_hash", u64, u32, reported, 8192);

#define SPARE_WALKS 64

/* Where stacks are put together, see stack.h: by cpu, and further ones for who finds that in use. All in
 * use: the allocation has no stack, `stack_unreadable`. */
BPF_ARRAY(walks, struct walk, CPUS + SPARE_WALKS);

/* The last walks of each cpu, by where they began: 1 KiB each. Written and read by who has the scratch of that
 * cpu; an older one gives way. */
BPF_ARRAY(paths, struct path, CPUS *PATHS);

/* What could be tail-called: nothing, ever; see count_hit. */
BPF_PROG_ARRAY(programs, 1);

/* Per cpu and yet atomic: a probe can be preempted between its load and its store. */
static __always_inline void lose(u32 reason)
{
	u64 *count = losses.lookup(&reason);

	if (count)
		__sync_fetch_and_add(count, 1);
}

/* The tail call is there for what it prevents. From 6.13 on (7d1cd70d4b16) a program of our kind has its
 * stack per cpu, which is sound only for programs that cannot be preempted; uprobes can, on preemptible
 * kernels, and there two of them overwrite each other's variables (seen on 7.2: wrong sizes, then an
 * oops). A program that may tail-call keeps its variables on the kernel's stack. */
static __always_inline void count_hit(void *ctx, u32 cookie, u32 returns)
{
	u32 index = 2 * (COOKIE_FUNCTION(cookie) & (FUNCTIONS - 1)) + returns;
	u64 *count = hits.lookup(&index);

	if (count)
		__sync_fetch_and_add(count, 1);
	else
		programs.call(ctx, 0);
}

static __always_inline int is_set(u32 flag)
{
	u32 zero = 0;
	struct control *switches = control.lookup(&zero);

	return switches && switches->flags & flag;
}

static __always_inline int is_armed(void)
{
	return is_set(CONTROL_ARMED);
}

/* Is one of `flags` set, and does the slot still stand for the program that the probe was attached to? */
static __always_inline struct slot_state *is_live(struct control *switches, u32 cookie, u32 flags)
{
	u32 slot = COOKIE_SLOT(cookie);
	struct slot_state *state;

	if (!(switches->flags & flags))
		return NULL;
	state = slots.lookup(&slot);
	return state && state->live ? state : NULL;
}

/* And is this the attachment that counts? For entries: whose entry has counted has its return counted,
 * whichever of the two sees it. */
static __always_inline struct slot_state *counts(struct control *switches, u32 cookie, u32 flags)
{
	struct slot_state *state = is_live(switches, cookie, flags);

	return state && state->second == COOKIE_SECOND(cookie) ? state : NULL;
}
