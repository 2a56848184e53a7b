/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The call stack at an allocator's return, as a hash; a new stack goes to user space once, a stack that
 * ends at a missing rule with what is needed to finish it.
 *
 * uprobe programs can be preempted on PREEMPT kernels, and then another walk may begin on this cpu. Only
 * a walk that finds nobody else in a scratch uses it: whoever comes later sees that, and takes a spare one.
 */
#define FIRST_BYTES 1024 /* read at once; most stacks of ten frames fit */
/* Of one missing rule: reports with a long slice at one stack pointer, and at all; further ones are short. */
#define LONG_REPORTS_HERE 2
#define LONG_REPORTS 64
#define MOST_REPORTS 8192 /* user space sets it to no more than that where no rule can be made */

struct birth {
	u64 address, now;
	u32 slot, called;
	u8 counted; /* not while user space learns */
};

/* Send `walk` as a new stack; 0 where it could not be. */
static __always_inline u64 send_stack(struct walk *walk, struct birth *birth, u64 hash)
{
	u32 frames = KEPT(walk->event.count);
	u8 seen = 0, *known;
	int err = stacks_seen.insert(&hash, &seen);

	if (err) { /* another cpu was first, or there is no room to remember it */
		if (err == -EEXIST)
			return hash;
		lose(err == -E2BIG ? LOSS_STACKS_FULL : LOSS_MAP_BUSY);
		return 0;
	}
	walk->event.kind = EVENT_STACK;
	walk->event.slot = birth->slot;
	walk->event.called = birth->called;
	walk->event.stack = hash;
	if (frames > STACK_DEPTH) /* never; the verifier wants to be told */
		frames = STACK_DEPTH;
	if (events.ringbuf_output(&walk->event, sizeof(walk->event) + 8 * frames, 0)) {
		stacks_seen.delete(&hash); /* to be offered again */
		lose(LOSS_RINGBUF_FULL);
		return hash;
	}
	known = stacks_seen.lookup(&hash);
	if (known)
		*known = SENT;
	return hash;
}

/* Read the stack from `at` to the end of the next page; the number of bytes. */
static __always_inline u32 read_long_slice(u8 *slice, u64 at)
{
	u32 room = SLICE_BYTES / 2 - (at & (SLICE_BYTES / 2 - 1));

	if (bpf_probe_read_user(slice, room, (void *)at))
		return 0;
	if (bpf_probe_read_user(slice + room, SLICE_BYTES / 2, (void *)(at + room)))
		return room;
	return room + SLICE_BYTES / 2;
}

static __always_inline u32 read_short_slice(u8 *slice, u64 at)
{
	u32 room = 4096 - (at & 4095);

	if (!bpf_probe_read_user(slice, SHORT_SLICE_BYTES, (void *)at))
		return SHORT_SLICE_BYTES;
	if (room > SHORT_SLICE_BYTES)
		return 0;
	return bpf_probe_read_user(slice, room, (void *)at) ? 0 : room; /* the last page of the stack */
}

/* The return addresses that are not in the slice, because return probes are pending there. */
static __always_inline void read_replaced(struct miss *miss)
{
	u32 zero = 0;
	struct control *known = control.lookup(&zero);
	u64 instance = known && known->returns.utask ? first_pending(known) : 0;

	for (u32 i = 0; i < MOST_PENDING; i++) {
		struct replaced replaced = {};

		if (instance && known)
			instance = read_pending(known, instance, &replaced);
		miss->replaced[i] = replaced;
	}
}

static __always_inline void fill_miss(struct walk *walk, struct birth *birth, struct miss *miss, u64 stump)
{
	u64 ticket = hash_step(hash_step(stump, birth->address), birth->now);

	miss->event.kind = EVENT_MISS;
	miss->event.end = birth->counted ? MISS_COUNTED : 0;
	miss->event.guessed = 0;
	miss->event.slot = birth->slot;
	miss->event.called = birth->called;
	miss->event.stack = ticket ? ticket : 1;
	miss->stump = stump;
	miss->pc = KEPT(walk->pc);
	miss->sp = KEPT(walk->sp);
	miss->fp = frame_pointer(walk);
	read_replaced(miss);
}

/* How often that was reported before; it is once more now. */
static __always_inline u32 count_report(u64 what)
{
	u32 *times = reported.lookup(&what), once = 1, before;

	if (!times) {
		reported.update(&what, &once);
		return 0;
	}
	before = *times;
	if (before < MOST_REPORTS)
		__sync_fetch_and_add(times, 1);
	return before;
}

/* Tell user space that the rule is missing at which `walk` ended. Returns the ticket under which the block
 * is counted, so that it belongs to the whole stack once that is known; the stump where it is not
 * told, because it was often enough or there is no room. */
static __always_inline u64 report_miss(struct walk *walk, struct birth *birth, u64 stump)
{
	u64 key = SLOT_KEY(birth->slot, KEPT(walk->pc)), here = hash_step(key, KEPT(walk->sp)), ticket;
	u32 times = count_report(key), times_here;
	struct miss *miss;

	if (times >= MOST_REPORTS)
		return stump;
	times_here = count_report(here); /* other callers are most often at another depth */
	if (times_here >= LONG_REPORTS_HERE || times >= LONG_REPORTS) {
		miss = misses.ringbuf_reserve(offsetof(struct miss, slice) + SHORT_SLICE_BYTES);
		if (!miss)
			return stump;
		fill_miss(walk, birth, miss, stump);
		miss->event.count = read_short_slice(miss->slice, miss->sp);
	} else {
		miss = misses.ringbuf_reserve(sizeof(*miss));
		if (!miss)
			return stump;
		fill_miss(walk, birth, miss, stump);
		miss->event.count = read_long_slice(miss->slice, miss->sp);
	}
	ticket = miss->event.stack;
	if (hold_if_alone())
		miss->event.end |= MISS_HELD;
	misses.ringbuf_submit(miss, 0);
	return ticket;
}

/* Count a stack that is not whole, or rests on a guess. */
static __always_inline void lose_frames(struct walk *walk)
{
	u32 end = KEPT(walk->event.end), guessed = KEPT(walk->event.guessed);

	if (end == END_TRUNCATED)
		lose(LOSS_STACK_TRUNCATED);
	else if (end == END_UNREADABLE && !guessed)
		lose(LOSS_STACK_UNREADABLE);
	else if (end > END_OUTERMOST)
		lose(LOSS_STACK_CUT);
	else if (end && guessed)
		lose(LOSS_STACK_GUESSED);
}

/* What the block is counted under: the hash of its stack, or a ticket; 0: without a stack. */
static __always_inline u64 stack_in(struct walk *walk, struct returned *seen, struct birth *birth)
{
	u64 hash, ticket, whose = (u64)birth->slot << 32 | birth->called, version = rules_version();
	u8 *sent;

	begin_walk(walk, seen);
	hash = kept_hash(walk, seen, whose, version);
	if (hash) {
		KEPT(walk->event.end) = END_OUTERMOST;
		KEPT(walk->event.guessed) = 0;
		return hash;
	}
	if (!KEPT(walk->span))
		read_stack(walk, seen->sp & ~7ULL, FIRST_BYTES);
	hash = walk_stack(walk, birth->slot, birth->called, DEPTH_IN_USE);
	sent = stacks_seen.lookup(&hash);
	if (!sent) {
		hash = send_stack(walk, birth, hash);
		if (!hash)
			return 0;
	} else if (*sent == SENT) {
		keep_path(walk, seen, whose, version, hash);
	}
	if (KEPT(walk->event.end) != END_NO_RULE)
		return hash;
	ticket = report_miss(walk, birth, hash);
	if (ticket != hash)
		KEPT(walk->event.end) = 0; /* not known here: user space goes on */
	return ticket;
}

/* The scratch at `index`; NULL while another walk is in it. */
static __always_inline struct walk *take_scratch_at(u32 index)
{
	struct walk *walk = walks.lookup(&index);

	if (!walk)
		return NULL;
	__sync_fetch_and_add(&walk->users, 1);
	if (KEPT(walk->users) == 1) {
		KEPT(walk->index) = index;
		return walk;
	}
	__sync_fetch_and_add(&walk->users, -1);
	return NULL;
}

/* The scratch of this cpu, or a spare one; NULL where all are in use. */
static __always_inline struct walk *take_scratch(void)
{
	struct walk *walk = take_scratch_at(bpf_get_smp_processor_id());
	u32 thread;

	if (walk)
		return walk;
	thread = bpf_get_current_pid_tgid();
	for (u32 i = 0; i < SPARE_WALKS && !walk; i++)
		walk = take_scratch_at(CPUS + (thread + i) % SPARE_WALKS);
	return walk;
}

static __always_inline void give_back(struct walk *walk)
{
	__sync_fetch_and_add(&walk->users, -1);
}
