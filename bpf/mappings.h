/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The probes of the C library's functions for raw mappings. They are called rarely, and what they leave
 * behind can be cut anywhere: so the kernel side only tells, and user space keeps the intervals.
 *
 * Told is what an order of all cpus needs, which the ring buffer keeps: a range that is given up before
 * the kernel has it (another thread may be given it at once) and whether that came to be afterwards, a
 * range that is taken after the kernel has given it. What an allocator maps for itself is not told.
 *
 * A pending call is kept in `in_flight` beside the one of an allocator function: a signal handler may
 * allocate while it waits.
 */
#define PROT_WRITE 2
#define MAP_TYPE 0xf
#define MAP_PRIVATE 2
#define MAP_FIXED 0x10
#define MAP_ANONYMOUS 0x20
#define MAP_STACK 0x20000 /* include/uapi/asm-generic/mman.h; glibc's allocate_stack alone sets it */
#define MREMAP_DONTUNMAP 4
#define PAGE_BITS 0xfffULL

/* Is this called by an allocator function that waits in the same thread? */
static __always_inline int serves_allocator(struct pt_regs *ctx, u32 slot)
{
	u32 thread = bpf_get_current_pid_tgid();

	return is_inside(ctx, in_flight.lookup(&thread), slot) || serves_pool(ctx, slots.lookup(&slot), slot);
}

/* Is `address` code of an allocator's library, or of a static program's allocator? */
static __always_inline int is_inner_code(struct mapping_code *code, u64 address)
{
	for (u32 i = 0; i < CODE_RANGES; i++) {
		if (i >= code->ranges)
			break;
		if (address >= code->inner[i].start && address < code->inner[i].end)
			return 1;
	}
	return 0;
}

/* What a mapping of `prot` and `flags` is taken for: the function that it is counted under, 0 where it is
 * none of the process's own memory. Without access it is a reservation. */
static __always_inline u32 counted_as(u64 prot, u64 flags, int inner, int by_threads)
{
	if (by_threads || flags & MAP_STACK)
		return FUNCTION_THREAD_STACK;
	if (inner || !prot)
		return 0;
	if (flags & MAP_ANONYMOUS || ((flags & MAP_TYPE) == MAP_PRIVATE && prot & PROT_WRITE))
		return FUNCTION_MMAP;
	return 0;
}

/* `what` of the calling thread's call. */
static __always_inline void tell_mapping(u32 what, struct in_flight *call, u64 address, u64 length, u64 stack)
{
	struct mapping_event told = {
		.event = {.kind = EVENT_MAPPING,
			  .end = what,
			  .slot = COOKIE_SLOT(call->cookie),
			  .count = bpf_get_current_pid_tgid(),
			  .called = COOKIE_CALLED(call->cookie),
			  .stack = stack},
		.address = address,
		.length = length,
		.old = call->pointer,
		.old_length = call->mapping.old_length,
		.moment = call->entered,
	};

	if (is_armed() && events.ringbuf_output(&told, sizeof(told), 0))
		lose(LOSS_MAPPING_LOST);
}

static __always_inline int is_mapped(u64 result)
{
	return result < -4095ULL; /* else MAP_FAILED, or an errno */
}

/* What an unmapping or a move gives up is told first. */
static __always_inline void begin_giving_up(struct in_flight *call)
{
	if (call->mapping.old_length)
		tell_mapping(MAPPING_GIVEN_UP, call, 0, 0, 0);
}

static __always_inline u64 whole_pages(u64 length)
{
	return (length + PAGE_BITS) & ~PAGE_BITS;
}

/* Of the arguments, `pointer` is the address, `size` the length: of mremap the new one, of which the old one
 * is the `count`. Of mmap that is what is allowed. `out` are the flags. */
static __always_inline void fill_mmap(struct in_flight *call, struct arguments *given, u32 counted)
{
	call->size = whole_pages(given->size);
	call->mapping.counted = !!counted;
	if (counted == FUNCTION_THREAD_STACK)
		call->cookie = (call->cookie & ~COOKIE_FUNCTION_BITS) | FUNCTION_THREAD_STACK << 16;
}

static __always_inline void fill_munmap(struct in_flight *call, struct arguments *given)
{
	u64 key = SLOT_KEY(COOKIE_SLOT(call->cookie), given->pointer);

	thread_stacks.delete(&key);
	call->pointer = given->pointer;
	if (!(given->pointer & PAGE_BITS))
		call->mapping.old_length = whole_pages(given->size);
	begin_giving_up(call);
}

static __always_inline void fill_mremap(struct in_flight *call, struct arguments *given)
{
	u64 length = whole_pages(given->count);

	call->size = whole_pages(given->size);
	call->mapping.counted = !!length; /* of 0 bytes it is a second view of shared memory */
	if (!(given->pointer & PAGE_BITS) && !((u32)given->out & MREMAP_DONTUNMAP)) {
		call->pointer = given->pointer;
		call->mapping.old_length = length;
	}
	begin_giving_up(call);
}

/* brk: the new break. sbrk: by how much to move it. */
static __always_inline void fill_brk(struct in_flight *call, struct arguments *given, u64 break_at)
{
	call->size = given->size;
	call->mapping.counted = 1;
	if (COOKIE_FUNCTION(call->cookie) == FUNCTION_BRK)
		call->pointer = break_at ? word_at(break_at) : 0;
}

/* Is this call the program's own, and to be told? `*counted`: what mmap's is counted under. */
static __always_inline int is_own_mapping(struct pt_regs *ctx, u64 cookie, struct mapping_code *code,
					  struct arguments *given, u32 *counted)
{
	u32 slot = COOKIE_SLOT(cookie), function = COOKIE_FUNCTION(cookie);
	u64 caller = CALLER(ctx), key = SLOT_KEY(slot, given->pointer);
	int inner, by_threads;

	if (serves_allocator(ctx, slot))
		return 0;
	inner = is_inner_code(code, caller);
	if (function == FUNCTION_MMAP) {
		by_threads = caller >= code->threads.start && caller < code->threads.end;
		*counted = counted_as(given->count, given->out, inner, by_threads);
		return *counted || (!inner && given->out & MAP_FIXED);
	}
	/* What an allocator gives up was not told, but for thread stacks. */
	return !inner || (function == FUNCTION_MUNMAP && thread_stacks.lookup(&key));
}

static __always_inline void enter_mapping(struct in_flight *call, struct mapping_code *code,
					  struct arguments *given, u32 counted)
{
	u32 function = COOKIE_FUNCTION(call->cookie);

	call->pointer = call->out = call->mapping.old_length = call->mapping.counted = 0;
	if (function == FUNCTION_MMAP)
		fill_mmap(call, given, counted);
	else if (function == FUNCTION_MUNMAP)
		fill_munmap(call, given);
	else if (function == FUNCTION_MREMAP)
		fill_mremap(call, given);
	else
		fill_brk(call, given, code->break_at);
	call->pending = PENDING;
}

/* The break was at `from` and is at `to`: what is taken is left in the call. Its begin, or 0. */
static __always_inline u64 moved_break(struct in_flight *call, u64 from, u64 to)
{
	call->pointer = call->mapping.old_length = 0;
	if (to < from) {
		call->pointer = to;
		call->mapping.old_length = from - to;
		tell_mapping(MAPPING_GONE, call, 0, 0, 0);
		return 0;
	}
	call->size = to - from;
	return to > from ? from : 0;
}

/* The begin of what `call` has taken, now that it returns `result`; 0: nothing. `call->size` is its
 * length. */
static __always_inline u64 mapped_by(struct in_flight *call, u64 result)
{
	u32 function = COOKIE_FUNCTION(call->cookie);

	if (function == FUNCTION_MUNMAP) {
		if (call->mapping.old_length)
			tell_mapping((u32)result ? MAPPING_KEPT : MAPPING_GONE, call, 0, 0, 0);
		return 0;
	}
	if (function == FUNCTION_BRK)
		return (u32)result || !call->pointer ? 0 : moved_break(call, call->pointer, call->size);
	if (function == FUNCTION_SBRK)
		return is_mapped(result) ? moved_break(call, result, result + call->size) : 0;
	if (is_mapped(result))
		return result;
	if (call->mapping.old_length)
		tell_mapping(MAPPING_KEPT, call, 0, 0, 0);
	return 0;
}

/* The address of what `call` has taken, if it is counted; all else is told: it may lie over what was. */
static __always_inline u64 settle_mapping(struct returned *seen, struct in_flight *call)
{
	u64 address = mapped_by(call, seen->result);

	if (!address)
		return 0;
	if (call->mapping.counted && (call->size < MIN_SIZE || call->size > MAX_SIZE)) {
		call->mapping.counted = 0;
		lose(LOSS_FILTERED);
	}
	if (call->mapping.counted)
		return address;
	tell_mapping(MAPPING_COVERED, call, address, call->size, 0);
	return 0;
}

static __always_inline void tell_mapped(struct in_flight *call, u64 address, u64 stack)
{
	u64 key = SLOT_KEY(COOKIE_SLOT(call->cookie), address);
	u8 one = 1;

	if (COOKIE_FUNCTION(call->cookie) == FUNCTION_THREAD_STACK)
		thread_stacks.update(&key, &one);
	tell_mapping(MAPPING_TAKEN, call, address, call->size, stack);
}

/* Most threads never call again. */
static __always_inline void forget_mapping_call(void)
{
	u32 thread = (u32)bpf_get_current_pid_tgid() | COOKIE_MAPPING;

	in_flight.delete(&thread);
}
