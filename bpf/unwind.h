/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * From the innermost frame to the outermost, by one rule for each return address. No frame pointers are
 * needed: user space makes the rules from .eh_frame when they are asked for. Compiles in user space
 * too, where tests run it on recorded stacks.
 */
#define RULE_CFA(rule) ((s64)(s32)(rule))
#define RULE_FP(rule) ((s64)(s16)((rule) >> 32))
#define RULE_HOW(rule) ((u32)((rule) >> 48) & 0xff)
#define RULE_ADD(rule) ((s64)(s8)((rule) >> 56))

#define UNREADABLE_FP 1 /* no frame has it: a CFA counted from there is none, and it is not 0 */
#define LOWEST_CODE 0x1000ULL

/* The rule at a return address; 0: there is none. */
static __always_inline u64 rule_at(u32 slot, u64 pc)
{
	u64 key = SLOT_KEY(slot, pc), *other;
	u32 index = key * HASH_SEED >> RULE_SHIFT;
	struct rule_entry *entry = rules.lookup(&index);

	if (entry && KEPT(entry->key) == key) {
		u64 rule = KEPT(entry->rule);

		if (KEPT(entry->key) == key) /* still, or user space has replaced it meanwhile */
			return rule;
	}
	other = more_rules.lookup(&key);
	return other ? *other : 0;
}

/* The innermost pending return probe of this thread, in the kernel's memory; 0 where it is not known. */
static __always_inline u64 first_pending(struct control *known)
{
	u64 instance = 0;

	if (bpf_probe_read_kernel(&instance, sizeof(instance),
				  (void *)(bpf_get_current_task() + known->returns.utask)) ||
	    bpf_probe_read_kernel(&instance, sizeof(instance),
				  (void *)(instance + known->returns.instances)))
		return 0;
	return instance;
}

/* What `instance` has replaced. Returns the next one outward; 0: there is none. */
static __always_inline u64 read_pending(struct control *known, u64 instance, struct replaced *replaced)
{
	u64 next = 0;

	replaced->stack = replaced->original = 0;
	bpf_probe_read_kernel(&replaced->stack, 8, (void *)(instance + known->returns.stack));
	bpf_probe_read_kernel(&replaced->original, 8, (void *)(instance + known->returns.original));
	bpf_probe_read_kernel(&next, sizeof(next), (void *)(instance + known->returns.next));
	return next;
}

/* The return address that a pending return probe, ours or another tracer's, has replaced by the kernel's
 * trampoline; `at` was the stack pointer when it was placed, at the function's entry. The kernel keeps
 * those innermost first, as we walk, so each is looked at once. */
static __always_inline u64 replaced_address(struct walk *walk, u64 at, u64 trampoline)
{
	u32 zero = 0;
	struct control *known = control.lookup(&zero);
	struct replaced replaced;
	u64 instance = KEPT(walk->instance), next;

	if (!known || !known->returns.utask)
		return trampoline;
	if (!instance)
		instance = first_pending(known);
	for (u32 i = 0; i < MOST_PENDING && instance; i++) {
		next = read_pending(known, instance, &replaced);
		if (replaced.stack == at) {
			KEPT(walk->instance) = instance;
			return replaced.original;
		}
		instance = next;
	}
	return trampoline;
}

static __always_inline u64 frame_pointer(struct walk *walk)
{
	u64 at = KEPT(walk->fp_at);

	if (at) {
		KEPT(walk->fp) = word_beside(walk, at, UNREADABLE_FP);
		KEPT(walk->fp_at) = 0;
		KEPT(walk->keeps_fp) = 0;
	} else if (KEPT(walk->keeps_fp)) {
		KEPT(walk->notes.asks_fp) = 1;
	}
	return KEPT(walk->fp);
}

/* To the frame that a signal interrupted. Its pc is the next instruction, not behind a call: counted
 * one on, so that every rule is looked up by the address before. */
static __always_inline u32 step_over_signal(struct walk *walk)
{
	u64 registers[SIGNAL_REGISTERS];

	KEPT(walk->notes.count) = NOTES;
	if (bpf_probe_read_user(registers, sizeof(registers),
				(void *)(KEPT(walk->sp) + SIGNAL_OFFSET)))
		return END_UNREADABLE;
	KEPT(walk->fp) = registers[SIGNAL_FP];
	KEPT(walk->fp_at) = 0;
	KEPT(walk->sp) = registers[SIGNAL_SP];
	KEPT(walk->pc) = registers[SIGNAL_PC] + 1;
#ifdef SIGNAL_LR
	KEPT(walk->lr) = registers[SIGNAL_LR];
#endif
	return 0;
}

/* To the caller's frame; 0, or why there is none. */
static __always_inline u32 step(struct walk *walk, u64 rule)
{
	u64 sp = KEPT(walk->sp), cfa = sp, at, pc;
	u32 how = RULE_HOW(rule);

	if (how & (RULE_END | RULE_SIGNAL | RULE_UNKNOWN)) {
		if (how & RULE_SIGNAL)
			return step_over_signal(walk);
		return how & RULE_END ? END_OUTERMOST : END_UNSUPPORTED;
	}
	if (how & (RULE_FROM_FP | RULE_FP_BY_FP)) {
		u64 fp = frame_pointer(walk);

		if (how & RULE_GUESS) {
			KEPT(walk->event.guessed) = 1;
			if (!fp) /* the psABI's mark of the deepest frame */
				return END_OUTERMOST;
		}
		if (how & RULE_FROM_FP)
			cfa = fp;
	}
	cfa += RULE_CFA(rule);
#ifdef READ_BY_RULES
	if (how & RULE_READ)
		cfa = word_beside(walk, cfa, 0) + RULE_ADD(rule);
#endif
	if (cfa < sp + LEAST_FRAME(how) || cfa & 7) /* what calls lies above, or this is no frame */
		return END_UNREADABLE;
	at = how & RULE_FP_BY_FP ? KEPT(walk->fp) : cfa;
	if (RULE_FP(rule) || how & RULE_FP_BY_FP)
		KEPT(walk->fp_at) = at + RULE_FP(rule);
	at = RETURN_ADDRESS_AT(cfa, rule);
	pc = IN_LINK_REGISTER(how) ? KEPT(walk->lr) : word_ahead(walk, at);
	if (pc && !(pc & 0xfff)) { /* the start of a page, which hardly any call ends at: a trampoline */
		KEPT(walk->notes.count) = NOTES;
		pc = replaced_address(walk, PROBED_AT(cfa, at), pc);
	}
	pc = STRIPPED(pc);
	KEPT(walk->lr) = UNKNOWN_LR;
	KEPT(walk->sp) = cfa;
	KEPT(walk->pc) = pc;
	if (pc - LOWEST_CODE <= HIGHEST_CODE - LOWEST_CODE)
		return 0;
	return pc < LOWEST_CODE && KEPT(walk->span) ? END_OUTERMOST : END_UNREADABLE;
}

static __always_inline void begin_walk(struct walk *walk, struct returned *seen)
{
	KEPT(walk->pc) = seen->pc;
	KEPT(walk->sp) = seen->sp;
	KEPT(walk->fp) = seen->fp;
	KEPT(walk->fp_at) = KEPT(walk->instance) = 0;
	KEPT(walk->lr) = seen->lr ? seen->lr : UNKNOWN_LR;
	KEPT(walk->bottom) = seen->sp & ~7ULL;
	KEPT(walk->span) = 0;
	KEPT(walk->keeps_fp) = 1;
	KEPT(walk->notes.count) = seen->lr ? NOTES : 0;
	KEPT(walk->notes.asks_fp) = 0;
}

/* Walk the stack and hash on the way. The event gets its number of frames and how it ended; `pc`, `sp`
 * and the frame pointer stay those of the frame at which it did. 0 stands for "not kept", so no hash
 * is 0. */
static __always_inline u64 walk_stack(struct walk *walk, u32 slot, u32 called, u32 depth)
{
	u64 hash = hash_step(HASH_SEED, called), pc, rule;
	u32 i, end = END_TRUNCATED, guessed = 0;

	KEPT(walk->event.guessed) = 0;
	for (i = 0; i < STACK_DEPTH; i++) {
		asm volatile("" : "+r"(i)); /* or clang turns the bound into one the verifier cannot see */
		if (i >= STACK_DEPTH || i >= depth)
			break;
		pc = KEPT(walk->pc);
		rule = rule_at(slot, pc);
		if (!rule && guessed) { /* what a guess led to is code only where a rule says so */
			end = END_NO_RULE;
			break;
		}
		walk->pcs[i] = pc;
		hash = hash_step(hash, pc);
		guessed = RULE_HOW(rule) & RULE_GUESS;
		end = rule ? step(walk, rule) : END_NO_RULE;
		if (end) {
			i++;
			break;
		}
		end = END_TRUNCATED;
	}
	KEPT(walk->event.count) = i;
	KEPT(walk->event.end) = end;
	hash = hash_step(hash, KEPT(walk->event.end) | (u64)KEPT(walk->event.guessed) << 8);
	return hash ? hash : 1;
}
