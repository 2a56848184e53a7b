/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A walk under way, and reading the target's stack a piece at a time: one read costs 80 ns.
 */
#define STACK_WORDS 512 /* a page */

/* What is kept in memory is one state for the verifier, whatever path led to it. */
#ifndef KEPT /* a test comes in between */
#define KEPT(place) (*(volatile typeof(place) *)&(place))
#endif

/* A return, as its caller sees it. */
struct returned {
	u64 result;
	u64 pc, sp, fp; /* where it returns to, and the registers there */
	u64 sp_before;  /* the stack pointer at the entry */
	u64 lr;         /* arm64: the link register where it may still hold the caller; else 0 */
};

#define NOTES 96

/* The words of the target's stack that led a walk from frame to frame. */
struct notes {
	u32 count;	/* NOTES: there are others, or what it met is no such word */
	u32 asks_fp;	/* the frame pointer at its begin mattered, too */
	u16 at[NOTES];	/* counted in words from the stack pointer at its begin */
	u64 words[NOTES];
};

#define PATHS 32 /* of each cpu */
#define NO_PATH (~0U)

/* A walk that found the whole stack. Who begins where it did and finds the same words would walk the same way. */
struct path {
	u64 pc, sp, fp; /* where it began */
	u64 whose;      /* slot << 32 | called */
	u64 version;    /* of the rules */
	u64 hash;
	u64 bytes; /* from the stack pointer to the end of the last word */
	u32 waits; /* walks that are made without a look at this, after one that was another; */
	u32 wait;  /* those of them that are still to come */
	struct notes notes;
};

/* Laid out as the event that carries it. */
struct walk {
	u64 users; /* of this scratch, see stack.h */
	struct event event;
	u64 pcs[STACK_DEPTH];
	u64 pc, sp; /* the frame that comes next */
	u64 fp;     /* its frame pointer: this value, or, unless 0, the word at `fp_at` */
	u64 fp_at;
	u64 lr;       /* arm64: valid in the innermost frame and behind a signal frame */
	u64 instance; /* the pending return probe that was looked at last */
	u64 bottom;   /* where the walk began */
	u32 index;    /* of this scratch */
	u32 keeps_fp; /* no frame has saved the frame pointer yet */
	u32 path;     /* where it is kept in `paths`; NO_PATH: it is not */
	u64 second;   /* of the time since the attach: the one of which `epoch` is */
	u32 epoch;
	struct notes notes;
	u64 from, span; /* `words` are the target's stack: `from`, and so many bytes on from there
			 * a word may begin */
	u64 words[STACK_WORDS];
};

/* Read the stack from `at`, a multiple of 8: no further than to the end of its page, for the next one
 * may not be there. */
static __always_inline void read_stack(struct walk *walk, u64 at, u64 most)
{
	u64 size = sizeof(walk->words) - (at & (sizeof(walk->words) - 1));

	if (size > most)
		size = most;
	KEPT(walk->from) = at;
	KEPT(walk->span) = 0;
	if (!bpf_probe_read_user(walk->words, size, (void *)at))
		KEPT(walk->span) = size;
}

/* The word at `at` where it is among those that were read; 0 otherwise, as none of use is. */
static __always_inline u64 held_word(struct walk *walk, u64 at)
{
	u64 offset = at - KEPT(walk->from);

	if (offset >= KEPT(walk->span))
		return 0;
	offset >>= 3;
	asm volatile("" : "+r"(offset)); /* or clang proves the next line away */
	return offset < STACK_WORDS ? walk->words[offset] : 0;
}

/* That `word` at `at` was looked at. */
static __always_inline void note(struct walk *walk, u64 at, u64 word)
{
	u64 offset = at - KEPT(walk->bottom);
	u32 count = KEPT(walk->notes.count);

	if (count >= NOTES || offset >= sizeof(walk->words) || offset & 7) {
		KEPT(walk->notes.count) = NOTES;
		return;
	}
	walk->notes.at[count] = offset >> 3;
	walk->notes.words[count] = word;
	KEPT(walk->notes.count) = count + 1;
}

/* A word that the walk will not go on from; `otherwise` where it cannot be read. */
static __always_inline u64 word_beside(struct walk *walk, u64 at, u64 otherwise)
{
	u64 word;

	if (at - KEPT(walk->from) < KEPT(walk->span) && !(at & 7))
		word = held_word(walk, at);
	else if (bpf_probe_read_user(&word, sizeof(word), (void *)at))
		word = otherwise;
	note(walk, at, word);
	return word;
}

/* A word near which the next ones will be. */
static __always_inline u64 word_ahead(struct walk *walk, u64 at)
{
	u64 word;

	if (at - KEPT(walk->from) >= KEPT(walk->span))
		read_stack(walk, at, sizeof(walk->words));
	word = held_word(walk, at);
	note(walk, at, word);
	return word;
}
