/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Page faults, for who watches growth: each is a sample of a page of memory, with the stack that touched it.
 *
 * The event comes before the kernel looks into the fault. What it becomes, memory of the process's own or a
 * page of a file or nothing, user space reads from the process's page map, at the last addresses of each
 * stack. Here it is only told apart whether something was mapped there before: then it is a write to a page
 * that was read-only (copy-on-write), else the first touch.
 *
 * Programs of perf events run with preemption off, so there is no tail call as in count_hit.
 */
struct fault_context { /* struct bpf_perf_event_data */
	struct pt_regs regs;
	u64 sample_period;
	u64 addr;
};

/* Helpers by number, as COOKIE is: where they are missing the loader puts in 0. */
#define CURRENT_TASK ((u64(*)(void))158)()          /* bpf_get_current_task_btf: 3ca1032ab7ab, 5.11 */
#define TASK_REGISTERS(task) ((u64(*)(u64))175)(task) /* bpf_task_pt_regs: dd6e10fbd9fb, 5.15 */

#if defined(EBPFTRACE_X86_64)
#define KERNEL_STACK 16384 /* THREAD_SIZE without KASAN, of kernels that have not the helper */
#define IS_IN_KERNEL(regs) (!((regs)->cs & 3))
#define LINK_REGISTER(saved) 0
/* Of what the kernel has saved, the part that tells where user code stands. */
#define USER_REGISTERS struct pt_regs
#define USER_REGISTERS_AT 0
#define USER_PC(saved) ((saved)->ip)
#define USER_FP(saved) ((saved)->bp)
#define USER_LR(saved) 0
#else
#define KERNEL_STACK 0 /* not known */
#define IS_IN_KERNEL(regs) ((regs)->pstate & 0xf)
#define LINK_REGISTER(saved) ((saved)->regs[30])
/* All 272 bytes are more than is left of the 512 of the stack. */
struct user_registers {
	u64 fp, lr, sp, pc, pstate;
};
#define USER_REGISTERS struct user_registers
#define USER_REGISTERS_AT offsetof(struct pt_regs, regs[29])
#define USER_PC(saved) ((saved)->pc)
#define USER_FP(saved) ((saved)->fp)
#define USER_LR(saved) ((saved)->lr)
#endif

/* Has this fault been seen already? A thread may have two events: the one that was opened for it, and one
 * that it inherited because the thread that made it had its own by then. Both run before anything else can
 * happen on this cpu, and the kernel counts a fault when it is done with it. */
static __always_inline int is_seen(struct control *known, u64 address)
{
	u32 zero = 0;
	struct fault_seen *last = last_fault.lookup(&zero);
	u64 task = bpf_get_current_task(), done;

	if (!last || !known->faults.minor)
		return 0;
	done = kernel_word(task + known->faults.minor) + kernel_word(task + known->faults.major);
	if (last->task == task && last->address == address && last->done == done)
		return 1;
	last->task = task;
	last->address = address;
	last->done = done;
	return 0;
}

/* Is that bit set? It is now. Two cpus that write at once may lose one: then a page counts twice. */
static __always_inline int test_and_set(u32 bit)
{
	u32 index = bit / 64 & (TOUCHED_BITS / 64 - 1);
	u64 *word = touched.lookup(&index), mask = 1ULL << (bit & 63);

	if (!word)
		return 0;
	if (*word & mask)
		return 1;
	*word |= mask;
	return 0;
}

/* Was this page taken before, by this process and in this way? */
static __always_inline int is_again(struct fault_key *key, u64 address)
{
	u64 whose = hash_step(HASH_SEED, (u64)key->slot << 32 | key->process);
	u64 hash = hash_step(whose, address >> 12);
	int first = test_and_set(hash), second = test_and_set(hash >> 32);

	return first && second;
}

/* Where user code stands. In the kernel, as in a read() into fresh memory, that is what it has saved at the
 * system call. */
static __always_inline int user_frame(struct fault_context *ctx, struct control *known, struct returned *seen)
{
	USER_REGISTERS saved = {};
	u64 at;

	seen->pc = PT_REGS_IP(&ctx->regs) + 1; /* a walk looks up what is before that: this instruction */
	seen->sp = PT_REGS_SP(&ctx->regs);
	seen->fp = PT_REGS_FP(&ctx->regs);
	seen->lr = LINK_REGISTER(&ctx->regs);
	asm volatile("" ::: "memory"); /* or clang loads them from one of two places, which the verifier refuses */
	if (!IS_IN_KERNEL(&ctx->regs))
		return 1;
	at = TASK_REGISTERS(CURRENT_TASK);
	if (!at) {
		if (!KERNEL_STACK || !known->faults.stack)
			return 0;
		at = kernel_word(bpf_get_current_task() + known->faults.stack) + KERNEL_STACK -
		     sizeof(struct pt_regs);
	}
	if (bpf_probe_read_kernel(&saved, sizeof(saved), (void *)(at + USER_REGISTERS_AT)) ||
	    IS_IN_KERNEL(&saved))
		return 0;
	seen->pc = USER_PC(&saved); /* behind the instruction that has entered the kernel */
	seen->sp = saved.sp;
	seen->fp = USER_FP(&saved);
	seen->lr = USER_LR(&saved);
	return 1;
}

/* Keep the address, or not, so that all since the last look have the same chance (reservoir sampling, Vitter
 * 1985). Another thread's may get lost where both write at once. */
static __always_inline void keep_address(struct faults *counted, u32 look, u64 address)
{
	u64 number;
	u32 at;

	if (counted->look != look) {
		counted->look = look;
		counted->before = counted->count;
	}
	number = counted->count - counted->before;
	at = number < FAULT_ADDRESSES ? number : bpf_get_prandom_u32() % ((u32)number + 1);
	if (at >= FAULT_ADDRESSES)
		return;
	asm volatile("" : "+r"(at)); /* or clang leaves out the next line's bound, which the verifier wants */
	counted->addresses[at & (FAULT_ADDRESSES - 1)] = address;
}

/* One more under that stack, at that address. */
static __always_inline void count_fault(struct fault_key *key, u32 look, u64 address)
{
	struct faults *counted = faults.lookup(key), fresh = {};
	int err;

	if (!counted) {
		err = faults.insert(key, &fresh);
		counted = faults.lookup(key);
		if (!counted && err == -E2BIG) {
			lose(LOSS_COHORTS_FULL);
			key->stack = 0;
			key->process = 0;
			counted = faults.lookup(key);
		}
		if (!counted) {
			lose(LOSS_MAP_BUSY);
			return;
		}
	}
	keep_address(counted, look, address);
	__sync_fetch_and_add(&counted->count, 1);
}

static __always_inline void count_fault_hit(void)
{
	u32 index = 2 * FUNCTION_FAULT;
	u64 *count = hits.lookup(&index);

	if (count)
		__sync_fetch_and_add(count, 1);
}

int on_fault(struct fault_context *ctx) /* PERF_COUNT_SW_PAGE_FAULTS */
{
	u64 address = ctx->addr;
	u32 zero = 0, called = FUNCTION_FAULT;
	u8 byte;
	struct own_ids ids = own_ids();
	u32 *slot = fault_slots.lookup(&ids.process);
	struct control *known = control.lookup(&zero);
	struct fault_key key = {.process = ids.process};
	struct returned seen = {};
	struct birth birth = {.address = address};
	struct walk *walk;

	if (!slot || !known || !(known->flags & (CONTROL_ARMED | CONTROL_LEARNING)) || is_seen(known, address))
		return 0;
	birth.now = bpf_ktime_get_ns();
	birth.counted = !!(known->flags & CONTROL_ARMED);
	birth.slot = key.slot = FAULT_SLOT(*slot);
	count_fault_hit();
	if (!bpf_probe_read_user(&byte, 1, (void *)address)) {
		called = FUNCTION_COPY;
		key.process |= FAULT_COPIED;
	}
	if (birth.counted && is_again(&key, address))
		return 0;
	birth.called = called | FAMILY_MEMORY << 8;
	walk = user_frame(ctx, known, &seen) ? take_scratch() : NULL;
	if (walk)
		key.stack = stack_in(walk, &seen, &birth);
	if (birth.counted) {
		if (walk)
			lose_frames(walk);
		else
			lose(LOSS_STACK_UNREADABLE);
		count_fault(&key, known->look, address);
	}
	if (walk)
		give_back(walk);
	return 0;
}
