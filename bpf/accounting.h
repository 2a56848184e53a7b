/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Blocks and cohorts: a birth, a death, and nothing in between. The outstanding blocks of a cohort
 * are always allocated + adopted - freed, and equal its entries in `blocks` except while a realloc
 * holds one in flight.
 */
#define SECOND 1000000000ULL

/* The epoch of a moment: 1 s long in the first minute, 10 s to ten minutes, 60 s to two hours, then
 * 600 s. `ebpftrace/model/epochs.py` is the inverse. */
static __always_inline u32 epoch_at(u64 since_start)
{
	u64 seconds = since_start / SECOND;

	if (seconds < 60)
		return seconds;
	if (seconds < 600)
		return 60 + (seconds - 60) / 10;
	if (seconds < 7200)
		return 114 + (seconds - 600) / 60;
	seconds = 224 + (seconds - 7200) / 600;
	return seconds < 65535 ? seconds : 65535;
}

/* The same, divided once a second only: a division takes as long as a look-up. */
static __always_inline u32 epoch_in(struct walk *walk, u64 since_start)
{
	if (since_start - KEPT(walk->second) >= SECOND) {
		KEPT(walk->second) = since_start / SECOND * SECOND;
		KEPT(walk->epoch) = epoch_at(since_start);
	}
	return KEPT(walk->epoch);
}

/* A closed epoch takes no births any more, however long the allocator took to return. */
static __always_inline u32 open_epoch_at(struct control *switches, struct walk *walk, u64 moment)
{
	u32 epoch = moment > switches->start ? epoch_in(walk, moment - switches->start) : 0;

	return epoch > switches->open_epoch ? epoch : switches->open_epoch;
}

/* How many births one of this moment stands for. */
static __always_inline u16 scale_at(struct control *switches, u64 moment)
{
	return (moment < switches->scale_since ? switches->scale_before : switches->scale) & (SCALES - 1);
}

/* 0: now; the clock is only read where that matters. */
static __always_inline int is_in_window(struct control *switches, u64 moment)
{
	if (!switches->window_end)
		return 0;
	moment = moment ? moment : bpf_ktime_get_ns();
	return moment >= switches->window && moment < switches->window_end;
}

/* Are births of this moment left out? 0: now. */
static __always_inline int is_left_out(struct control *switches, u64 moment)
{
	if (switches->flags & CONTROL_DRAINING)
		return 1;
	return switches->flags & CONTROL_SAMPLING && !is_in_window(switches, moment);
}

/* What windows are measured by: a target that they make slow does less in the same time. */
static __always_inline void count_seen(struct control *switches)
{
	u32 index = 2 * FUNCTION_SEEN;
	u64 *count;

	if (!(switches->flags & CONTROL_SAMPLING) || !is_in_window(switches, 0))
		return;
	count = hits.lookup(&index);
	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline u32 epoch_key(struct block *block)
{
	return block->epoch | SCALE_IN_EPOCH(SCALE_OF_CALLED(block->called));
}

static __always_inline struct cohort *cohort_of(u32 slot, struct block *block)
{
	struct cohort_key key = {.stack = block->stack, .slot = slot, .epoch = epoch_key(block)};
	struct cohort *cohort = cohorts.lookup(&key), empty = {};
	int err;

	if (cohort)
		return cohort;
	err = cohorts.insert(&key, &empty);
	if (err && err != -EEXIST) {
		lose(err == -E2BIG ? LOSS_COHORTS_FULL : LOSS_MAP_BUSY);
		block->stack = key.stack = 0;
		block->epoch = 0;
		key.epoch = epoch_key(block);
	}
	return cohorts.lookup(&key);
}

static __always_inline void count_death(u32 slot, struct block *block)
{
	struct cohort_key key = {.stack = block->stack, .slot = slot, .epoch = epoch_key(block)};
	struct cohort *cohort = cohorts.lookup(&key);

	if (!cohort) {
		lose(LOSS_MAP_BUSY);
		return;
	}
	__sync_fetch_and_add(&cohort->freed_blocks, 1);
	__sync_fetch_and_add(&cohort->freed_bytes, block->size);
}

/* Take a block, of a pool or not, out of the map; 0 and `*block` filled if it was there. */
static __always_inline int take_block(u32 slot, u64 address, u32 pool, struct block *block)
{
	u64 key = BLOCK_KEY(slot, address, pool);
	struct block *found = blocks.lookup(&key);

	if (!found)
		return -ENOENT;
	*block = *found;
	if (!blocks.delete(&key))
		return 0;
	lose(LOSS_MAP_BUSY); /* or another thread frees it too: the target's own mistake */
	return -EBUSY;
}

/* Hold `block` under `address`; 0 if it is. An address that is held already was freed unseen. */
static __always_inline int hold_block(u32 slot, u64 address, struct block *block)
{
	u32 pool = IS_POOL(block->called);
	u64 key = BLOCK_KEY(slot, address, pool);
	struct block stale;
	int err = blocks.insert(&key, block);

	if (err == -EEXIST) {
		if (!take_block(slot, address, pool, &stale)) {
			count_death(slot, &stale);
			trace_free(slot, address, 0);
			lose(LOSS_MISSED_FREE);
		}
		err = blocks.insert(&key, block);
	}
	if (err)
		lose(err == -E2BIG ? LOSS_BLOCKS_FULL : LOSS_MAP_BUSY);
	return err;
}

static __always_inline void count_birth(u32 slot, u64 address, struct block *block, int adopted)
{
	struct cohort *cohort = cohort_of(slot, block);

	if (!cohort) {
		lose(LOSS_COHORTS_FULL);
		return;
	}
	if (hold_block(slot, address, block))
		return;
	if (adopted) {
		__sync_fetch_and_add(&cohort->adopted_blocks, 1);
		__sync_fetch_and_add(&cohort->adopted_bytes, block->size);
	} else {
		__sync_fetch_and_add(&cohort->allocated_blocks, 1);
		__sync_fetch_and_add(&cohort->allocated_bytes, block->size);
	}
}

static __always_inline void put_back(u32 slot, u64 address, struct block *block)
{
	if (hold_block(slot, address, block))
		count_death(slot, block);
}
