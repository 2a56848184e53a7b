/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The walk of bpf/unwind.h in user space. Reads cases from stdin, each of them lines of a name and
 * hexadecimal numbers, and answers each with a line.
 *
 *   registers PC SP FP LR          at the allocator's return; LR 0: not known
 *   walk SLOT CALLED DEPTH
 *   user|kernel ADDRESS COUNT W... memory of the target or the kernel: COUNT words; the rest is
 *                                  unreadable
 *   task ADDRESS                   the kernel's task_struct
 *   returns UTASK INSTANCES STACK ORIGINAL NEXT
 *   rule INDEX KEY RULE            an entry of `rules`
 *   more KEY RULE                  an entry of `more_rules`
 *   store ACCESS INDEX WORD VALUE  a store to a word of an entry of `rules`, right before the walk
 *                                  reads what it looks up there for the ACCESS-th time
 *   go                             answered by: END GUESSED HASH PC SP FP and the frames, where PC,
 *                                  SP and FP are those of the frame at which the walk ended
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared.h"

typedef int64_t s64;

#ifndef __always_inline
#define __always_inline inline
#endif
#define STACK_DEPTH 127
#define RULE_SHIFT 58 /* 64 entries, so that many rules are only in `more_rules` */
#define ENTRIES (1 << (64 - RULE_SHIFT))
#define FIRST_BYTES 1024 /* of stack.h */
#define MOST 4096 /* of anything in a case */

/* Other reads and writes of the walk than those of `rules` never meet a store. */
static void before_access(const volatile void *place);
#define KEPT(place) (*(before_access(&(place)), (volatile typeof(place) *)&(place)))

struct memory {
	int kernel;
	u64 from, bytes;
	u8 *content;
};

struct store {
	u64 access, index, word, value;
};

static struct {
	u64 pc, sp, fp, lr;
	u64 slot, called, depth, task;
	u64 accesses;
	struct control control;
	struct rule_entry rules[ENTRIES];
	u64 memories, mores, stores;
	struct memory memory[MOST];
	struct rule_entry more[MOST];
	struct store store[MOST];
} given;

static void before_access(const volatile void *place)
{
	const u8 *first = (const u8 *)given.rules, *at = (const u8 *)place;

	if (at < first || at >= first + sizeof(given.rules))
		return;
	given.accesses++;
	for (u64 i = 0; i < given.stores; i++) {
		struct store *store = &given.store[i];
		struct rule_entry *entry = &given.rules[store->index];

		if (store->access == given.accesses)
			*(store->word ? &entry->rule : &entry->key) = store->value;
	}
}

/* All or nothing, and then zeros, as the kernel's helpers. */
static long read_memory(int kernel, void *to, u32 size, u64 at)
{
	for (u64 done = 0, part; done < size; done += part) {
		struct memory *memory = given.memory, *last = memory + given.memories;

		while (memory < last && (memory->kernel != kernel ||
					 at + done - memory->from >= memory->bytes))
			memory++;
		if (memory == last) {
			memset(to, 0, size);
			return -14;
		}
		part = memory->bytes - (at + done - memory->from);
		if (part > size - done)
			part = size - done;
		memcpy((u8 *)to + done, memory->content + (at + done - memory->from), part);
	}
	return 0;
}

static long bpf_probe_read_user(void *to, u32 size, const void *at)
{
	return read_memory(0, to, size, (u64)at);
}

static long bpf_probe_read_kernel(void *to, u32 size, const void *at)
{
	return read_memory(1, to, size, (u64)at);
}

static u64 bpf_get_current_task(void)
{
	return given.task;
}

static struct control *control_at(u32 *index)
{
	return *index ? NULL : &given.control;
}

static struct rule_entry *rule_in(u32 *index)
{
	return *index < ENTRIES ? &given.rules[*index] : NULL;
}

static u64 *more_of(u64 *key)
{
	for (u64 i = 0; i < given.mores; i++)
		if (given.more[i].key == *key)
			return &given.more[i].rule;
	return NULL;
}

/* What BCC makes of a map. */
static struct {
	struct control *(*lookup)(u32 *);
} control = {control_at};
static struct {
	struct rule_entry *(*lookup)(u32 *);
} rules = {rule_in};
static struct {
	u64 *(*lookup)(u64 *);
} more_rules = {more_of};

#include "arch.h"
#include "walk.h"
#include "unwind.h"

static void refuse(const char *what)
{
	fprintf(stderr, "walk: bad %s\n", what);
	exit(2);
}

static u64 number(void)
{
	u64 value;

	if (scanf("%" SCNx64, &value) != 1)
		refuse("number");
	return value;
}

static u64 below(u64 limit)
{
	u64 value = number();

	if (value >= limit)
		refuse("index");
	return value;
}

static u64 counted(u64 *count)
{
	if (*count >= MOST)
		refuse("count");
	return (*count)++;
}

static void take_memory(int kernel)
{
	struct memory *memory = &given.memory[counted(&given.memories)];
	u64 words;

	memory->kernel = kernel;
	memory->from = number();
	words = below(1 << 20);
	memory->bytes = 8 * words;
	memory->content = malloc(memory->bytes);
	for (u64 i = 0, word; i < words; i++) {
		word = number();
		memcpy(memory->content + 8 * i, &word, 8);
	}
}

static void take_entry(struct rule_entry *entry)
{
	entry->key = number();
	entry->rule = number();
}

static void take_store(struct store *store)
{
	store->access = number();
	store->index = below(ENTRIES);
	store->word = below(2);
	store->value = number();
}

static void take(const char *name)
{
	struct return_offsets *returns = &given.control.returns;

	if (!strcmp(name, "registers")) {
		given.pc = number();
		given.sp = number();
		given.fp = number();
		given.lr = number();
	} else if (!strcmp(name, "walk")) {
		given.slot = below(SLOTS);
		given.called = number();
		given.depth = number();
	} else if (!strcmp(name, "user") || !strcmp(name, "kernel")) {
		take_memory(*name == 'k');
	} else if (!strcmp(name, "task")) {
		given.task = number();
	} else if (!strcmp(name, "returns")) {
		returns->utask = number();
		returns->instances = number();
		returns->stack = number();
		returns->original = number();
		returns->next = number();
	} else if (!strcmp(name, "rule")) {
		take_entry(&given.rules[below(ENTRIES)]);
	} else if (!strcmp(name, "more")) {
		take_entry(&given.more[counted(&given.mores)]);
	} else if (!strcmp(name, "store")) {
		take_store(&given.store[counted(&given.stores)]);
	} else {
		refuse("line");
	}
}

/* As `stack_in` of stack.h begins. */
static void answer(struct walk *walk)
{
	struct returned seen = {.pc = given.pc, .sp = given.sp, .fp = given.fp, .lr = given.lr};
	u64 hash;

	memset(walk, 0xa5, sizeof(*walk)); /* another walk was in it before */
	begin_walk(walk, &seen);
	read_stack(walk, given.sp & ~7ULL, FIRST_BYTES);
	hash = walk_stack(walk, given.slot, given.called, given.depth);
	printf("%x %x %" PRIx64 " %" PRIx64 " %" PRIx64, walk->event.end, walk->event.guessed, hash,
	       walk->pc, walk->sp);
	printf(" %" PRIx64, frame_pointer(walk));
	for (u32 i = 0; i < walk->event.count; i++)
		printf(" %" PRIx64, walk->pcs[i]);
	printf("\n");
}

int main(void)
{
	struct walk *walk = malloc(sizeof(*walk));
	char name[16];

	while (scanf("%15s", name) == 1) {
		if (strcmp(name, "go")) {
			take(name);
			continue;
		}
		answer(walk);
		while (given.memories)
			free(given.memory[--given.memories].content);
		memset(&given, 0, sizeof(given));
	}
	free(walk);
	return 0;
}
