/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Walks that need not be made again. Most allocations have a stack that this cpu has walked a moment ago: the
 * words that led from frame to frame are still there, and comparing them costs a quarter of finding them.
 */
#define SENT 1 /* of stacks_seen */

static __always_inline u64 rules_version(void)
{
	u32 last = RULES;
	struct rule_entry *entry = rules.lookup(&last);

	return entry ? KEPT(entry->rule) : 0;
}

#define AT_ONCE 4
#define MOST_WAITS 63 /* then a look in vain is 1 % of a walk */
#define OTHER_WORD(walk, path, i) \
	((walk)->words[(path)->notes.at[i] & (STACK_WORDS - 1)] ^ (path)->notes.words[i])

/* Would this walk go the way of `path`? Else what was read of the stack is of use all the same. */
static __always_inline int is_same_path(struct walk *walk, struct path *path, struct returned *seen, u64 whose,
					u64 version)
{
	u64 bytes = KEPT(path->bytes), other;
	u32 count = KEPT(path->notes.count), i;

	other = (path->pc ^ seen->pc) | (path->sp ^ seen->sp) | (path->whose ^ whose) |
		(path->version ^ version) | (path->notes.asks_fp ? path->fp ^ seen->fp : 0);
	if (other || !count || bytes > sizeof(walk->words) ||
	    bpf_probe_read_user(walk->words, bytes, (void *)KEPT(walk->bottom)))
		return 0;
	KEPT(walk->from) = KEPT(walk->bottom);
	KEPT(walk->span) = bytes;
	for (i = 0; i < NOTES; i += AT_ONCE) {
		asm volatile("" : "+r"(i)); /* as in walk_stack */
		if (i > NOTES - AT_ONCE || i >= count)
			break;
		other |= OTHER_WORD(walk, path, i) | OTHER_WORD(walk, path, i + 1) |
			 OTHER_WORD(walk, path, i + 2) | OTHER_WORD(walk, path, i + 3);
	}
	if (other)
		return 0;
	path->waits = 0;
	return 1;
}

/* The hash of this walk where it is known without making it; 0: it is not. Where the last ones that began here
 * were not alike only some look for it. */
static __always_inline u64 kept_hash(struct walk *walk, struct returned *seen, u64 whose, u64 version)
{
	u32 index = KEPT(walk->index) * PATHS + (hash_step(seen->pc, seen->sp) >> 8) % PATHS;
	struct path *path = paths.lookup(&index);

	KEPT(walk->path) = index;
	if (!path || path->wait) { /* a spare scratch has none */
		if (path)
			path->wait--;
		KEPT(walk->path) = NO_PATH;
		KEPT(walk->notes.count) = NOTES; /* nobody will look at them */
		return 0;
	}
	return is_same_path(walk, path, seen, whose, version) ? path->hash : 0;
}

/* What `walk` has found from its begin, `seen`, to the outermost frame. */
static __always_inline void keep_path(struct walk *walk, struct returned *seen, u64 whose, u64 version,
				      u64 hash)
{
	u32 count = KEPT(walk->notes.count), index = KEPT(walk->path), i;
	struct path *path = paths.lookup(&index);
	u64 bytes = 0, end;

	if (!path)
		return;
	if (path->notes.count && path->waits < MOST_WAITS)
		path->waits = 2 * path->waits + 1;
	path->wait = path->waits;
	if (count >= NOTES || KEPT(walk->event.end) != END_OUTERMOST || KEPT(walk->event.guessed))
		return;
	asm volatile("" : "+r"(count)); /* or clang 19 leaves out a bound below that the verifier wants */
	for (i = 0; i < NOTES; i++) {
		asm volatile("" : "+r"(i));
		if (i >= NOTES || i >= count)
			break;
		path->notes.at[i] = walk->notes.at[i];
		path->notes.words[i] = walk->notes.words[i];
		end = 8 * (walk->notes.at[i] + 1);
		bytes = end > bytes ? end : bytes;
	}
	path->pc = seen->pc;
	path->sp = seen->sp;
	path->fp = seen->fp;
	path->whose = whose;
	path->version = version;
	path->hash = hash;
	path->bytes = bytes;
	for (; i < NOTES && i % AT_ONCE; i++) {
		asm volatile("" : "+r"(i));
		if (i >= NOTES)
			break;
		path->notes.at[i] = walk->notes.at[0];
		path->notes.words[i] = walk->notes.words[0];
	}
	path->notes.count = count;
	path->notes.asks_fp = KEPT(walk->notes.asks_fp);
}
