/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What the kernel side and user space agree on: every struct and number that crosses the border.
 * `ebpftrace/kernel/layout.py` mirrors it; a test compiles this file and compares each offset.
 */
#ifndef EBPFTRACE_SHARED_H
#define EBPFTRACE_SHARED_H

#ifndef EBPFTRACE_BPF /* `__BPF__` is not defined under BCC, so the loader defines this one */
#include <stdint.h>
typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;
typedef int32_t s32;
typedef int16_t s16;
typedef int8_t s8;
#endif

/* An attach cookie names where a probe sits: slot, role, which of two attachments, function, allocator
 * family, flags. Its high half says where a value is found at that instruction. */
#define COOKIE_SLOT(cookie) ((u32)(cookie)&0x3ff)
#define COOKIE_ROLE(cookie) (((u32)(cookie) >> 10) & 7)
#define COOKIE_SECOND(cookie) (((u32)(cookie) >> 15) & 1)
#define COOKIE_FUNCTION(cookie) (((u32)(cookie) >> 16) & 0xff)
#define COOKIE_CALLED(cookie) (((u32)(cookie) >> 16) & 0x3fff) /* function | family << 8 */
#define COOKIE_BY_EXITS 0x2000u /* its returns are seen by probes on its last instructions */
#define COOKIE_YIELDS 0x4000u   /* it returns what an allocator function that it calls has given, if one does */
#define COOKIE_ZERO_FREES 0x40000000u /* realloc(p, 0) that returns NULL has freed p */
#define COOKIE_MAPPING 0x80000000u /* of the family mmap; in a key of `in_flight`, too: no thread's number */
#define COOKIE_FUNCTION_BITS 0x00ff0000u
#define COOKIE_FAMILY(cookie) (((u32)(cookie) >> 24) & 63)

/* The user's own pools. They may take their memory from another allocator, so that one address may be that
 * of a pool's block and of the allocator's that it lies in. */
#define FAMILY_POOL 32u
#define IS_POOL(called) (((called) >> 8 & 63) == FAMILY_POOL)
#define IN_POOL 0x0400000000000000ULL    /* in a key of `blocks` */
#define POOL_CALL 0x40000000u            /* in a key of `in_flight`: no thread's number */

/* The functions of the family mmap by their numbers: what they do is told apart by nothing else. */
#define FUNCTION_MMAP 57u
#define FUNCTION_MUNMAP 58u
#define FUNCTION_MREMAP 59u
#define FUNCTION_BRK 60u
#define FUNCTION_SBRK 61u
#define FUNCTION_THREAD_STACK 62u /* no function: what mmap gave for one */
#define FUNCTION_SEEN 124u /* no function: in `hits`, frees and resizes in windows */
#define FUNCTION_PASSED 127u /* no function: in `hits`, exits at which no call has ended */

/* Of an entry: registers by the number that instructions give them. */
#define COOKIE_SIZE(cookie) ((u32)((cookie) >> 32) & 31)
#define COOKIE_COUNT(cookie) ((u32)((cookie) >> 37) & 31) /* of elements of that size */
#define COOKIE_POINTER(cookie) ((u32)((cookie) >> 42) & 31) /* a block to be freed or resized */
#define COOKIE_OUT(cookie) ((u32)((cookie) >> 47) & 31) /* where the result is stored; it returns 0 or an errno */
/* Of an exit: the register that holds the result, words from the stack pointer to the return address and to
 * the saved frame pointer (0: it is in its register), the condition under which the branch there leads
 * to the return (0: always; else 1 + the four bits of jcc). */
#define COOKIE_RESULT(cookie) ((u32)((cookie) >> 32) & 31)
#define COOKIE_RETURN_AT(cookie) ((u32)((cookie) >> 37) & 0xff)
#define COOKIE_FP_AT(cookie) ((u32)((cookie) >> 45) & 0xff)
#define COOKIE_CONDITION(cookie) ((u32)((cookie) >> 53) & 31)
#define NO_REGISTER 31u

/* `control.flags`; one store switches all of them. */
#define CONTROL_ARMED 1u    /* births are recorded */
#define CONTROL_COUNTING 2u /* deaths are recorded */
#define CONTROL_LEARNING 4u /* stacks are walked, so that misses are reported; nothing is recorded */
#define CONTROL_EXECS 8u    /* every exec of this host is told, for who waits for a program */
#define CONTROL_DRAINING 16u /* no births but of what is held already: what realloc gives for it */
#define CONTROL_DRAINED 32u /* there is what was born unrecorded since the attach */
#define CONTROL_SAMPLING 64u /* births are recorded in windows only; nothing is adopted */

/* How many births one that is recorded stands for is 4 to the power of its scale. A block keeps it. */
#define SCALES 4u
#define SCALE_IN_CALLED(scale) ((scale) << 14) /* of a struct block */
#define SCALE_OF_CALLED(called) ((called) >> 14)
#define SCALE_IN_EPOCH(scale) ((u32)(scale) << 16) /* of a struct cohort_key */

#define SLOTS 1024u
#define CODE_RANGES 32u
#define FUNCTIONS 256u

#define ADDRESS_MASK 0x0000ffffffffffffULL
/* An address in one address space: of a block, or of code. */
#define SLOT_KEY(slot, address) ((u64)(slot) << 48 | ((address)&ADDRESS_MASK))
#define BLOCK_KEY(slot, address, pool) (SLOT_KEY(slot, address) | ((pool) ? IN_POOL : 0))

enum loss {
	LOSS_BLOCKS_FULL,
	LOSS_COHORTS_FULL,
	LOSS_STACKS_FULL,
	LOSS_RULES_FULL,
	LOSS_IN_FLIGHT_FULL,
	LOSS_RINGBUF_FULL,
	LOSS_MAP_BUSY,
	LOSS_PROBE_MISSED,
	LOSS_RETURN_MISSED,
	LOSS_CALL_LOST,
	LOSS_MISSED_FREE,
	LOSS_UNMATCHED_FREE,
	LOSS_NESTED,
	LOSS_NESTED_FREE,
	LOSS_OUT_PARAM_UNREADABLE,
	LOSS_STACK_UNREADABLE,
	LOSS_STACK_TRUNCATED,
	LOSS_STACK_GUESSED,
	LOSS_STACK_CUT,
	LOSS_SHARED_VM_CHILD,
	LOSS_FILTERED,
	LOSS_TRACE_FULL,
	LOSS_MAPPING_LOST,
	LOSS_MISSED_UNMAP,
	LOSS_UNMATCHED_UNMAP,
	LOSS_PROCESS_MISSED,
	LOSS_UNRECORDED_FREE,
	LOSSES
};

/* What a hit of a probe is. */
enum role {
	ROLE_NONE,
	ROLE_BIRTH,  /* the call of a function that gives a block */
	ROLE_RESIZE, /* of one that may give another block for one */
	ROLE_DEATH,  /* of one that takes a block back */
	ROLE_EXIT,   /* the last instructions of a function that gets no return probe */
};

enum event_kind {
	EVENT_STACK = 1,
	EVENT_MISS,
	EVENT_THREAD_EXIT,
	EVENT_EXEC,
	EVENT_FORK,
	EVENT_LOADED, /* the loader has changed what is mapped, or is about to */
	EVENT_MAPPING,
};

/* `end` of EVENT_MISS: is the allocation counted, is the process stopped until it gets a SIGCONT? */
#define MISS_COUNTED 1u
#define MISS_HELD 2u

/* `end` of EVENT_MAPPING. */
enum mapping_step {
	MAPPING_TAKEN = 1, /* [address, +length) is there now, in the place of [old, +old_length) if that is any */
	MAPPING_COVERED,   /* the same, and it is not counted */
	MAPPING_GIVEN_UP,  /* [old, +old_length) is about to be unmapped or moved by this thread */
	MAPPING_GONE,      /* it is unmapped */
	MAPPING_KEPT,      /* it is not: the call has failed */
};

/* In a value of `watched`, beside the slot: each program of this process waits at its exec, and when its
 * loader tells of libraries, until user space lets it go on. */
#define WATCH_HELD 0x80000000u
/* The same: what this process forks off is watched as well, with this flag and without a slot. */
#define WATCH_FOLLOW 0x40000000u
#define WATCH_SLOT(value) ((value)&0xfffu) /* 0: it has none (yet) */

/* Why a walk ended where it did. */
enum stack_end {
	END_OUTERMOST = 1, /* where the thread, the program or the coroutine began: the stack is whole */
	END_NO_RULE,       /* at a return address that no rule is known for (yet) */
	END_UNSUPPORTED,   /* at one whose unwind information no rule can express, or is broken */
	END_UNREADABLE,    /* the next return address cannot be read, or is none */
	END_TRUNCATED,     /* at the limit of frames */
};

/* `how` of a rule: what leads from a frame to its caller's. */
#define RULE_FROM_FP 0x01u  /* the CFA counts from the frame pointer, else from the stack pointer */
#define RULE_READ 0x02u     /* x86-64: it is read from there, and `add` added */
#define RULE_IN_LR 0x02u    /* arm64: the return address is still in the link register */
#define RULE_FP_BY_FP 0x04u /* the caller's frame pointer is saved at an offset from this one's */
#define RULE_GUESS 0x08u    /* no unwind information: taken for a frame with a frame pointer */
#define RULE_END 0x10u      /* the outermost frame */
#define RULE_SIGNAL 0x20u   /* the caller's registers are in the kernel's signal frame */
#define RULE_UNKNOWN 0x40u  /* END_UNSUPPORTED */
#define RULE_STEP 0x80u     /* set in every other rule: 0 is none */

/* `called` of EVENT_THREAD_EXIT: by what the process ends, as wait(2) tells it, once that is settled. */
#define EXIT_CODE 0xffffu
#define EXIT_TOLD 0x10000u
#define EXIT_OOM 0x20000u /* the kernel chose this process when memory had run out */

/* Offsets in the kernel's own structs, from its BTF; all 0 where they are not known. */
struct return_offsets {
	u16 utask;     /* of task_struct */
	u16 instances; /* of uprobe_task: its pending return probes, the innermost first */
	u16 stack, original, next; /* of return_instance */
	u16 unused;
};

struct exit_offsets {
	u16 signal, leader, code, parent, process; /* of task_struct */
	u16 live, flags, group_code, oom_mm;       /* of signal_struct */
	u16 unused;
};

/* Of the number that a process has in a pid namespace. */
struct pid_offsets {
	u16 pid;            /* of task_struct */
	u16 level, numbers; /* of pid */
	u16 number, space;  /* of upid */
	u16 common;         /* of pid_namespace */
	u16 inode;          /* of ns_common */
	u16 unused;
};

/* Of what the kernel knows of a thread's page faults. */
struct fault_offsets {
	u16 minor, major; /* of task_struct: how many it is done with */
	u16 stack;        /* of task_struct: its kernel stack */
	u16 unused;
};

struct control {
	u64 start;      /* ktime of the attach: epochs count from here */
	u32 flags;
	u32 open_epoch; /* cohorts of older epochs are closed: user space may delete empty ones */
	struct return_offsets returns;
	struct exit_offsets exits;
	struct pid_offsets pids;
	struct fault_offsets faults;
	u32 owner; /* the process that lets go on who is held, by the kernel's number; 0: not known */
	u32 look;  /* how often user space has looked at page faults */
	u16 scale, scale_before; /* see SCALES: of births from scale_since on, and before */
	u32 unused;
	u64 scale_since;        /* ktime */
	u64 window, window_end; /* ktime, the end exclusive: births of this time are recorded while sampling; 0: none */
};

/* How to find the caller's frame, by the return address that is the frame's place in the code. The
 * canonical frame address (CFA, DWARF 5 section 6.4) is the stack pointer in the caller. */
struct rule {
	s32 cfa; /* from the stack or the frame pointer to the CFA */
	s16 fp;  /* from the CFA to where the caller's frame pointer is saved; 0: it is unchanged */
	u8 how;
	u8 add; /* signed. arm64: 8 * add from the CFA to the return address; 0: it lies behind fp */
};

struct rule_entry {
	u64 key; /* SLOT_KEY of the return address; written last, cleared first */
	u64 rule; /* struct rule, as one word */
};

struct code_range {
	u64 start, end; /* absolute, end exclusive */
};

/* One traced address space. */
struct slot_state {
	u32 live; /* its probes count: from when all are in place to its exec or end */
	u32 ranges;
	u32 second; /* of an attachment and the one that takes its place: which of the two counts */
	u16 layered; /* more than one file frees: one may do so by the other's function */
	u16 pools;   /* functions of pools are probed */
	struct code_range code[CODE_RANGES]; /* the allocator's own functions */
	u64 loads_since; /* EVENT_LOADED: when this stretch of time began, */
	u64 loads;       /* and how often it was told in it */
};

/* One outstanding allocation. `stack` and `epoch` say which cohort counts it. */
struct block {
	u64 size;
	u64 stack;
	u64 born; /* ktime; survives a realloc */
	u32 thread;
	u16 epoch;
	u16 called; /* function | family << 8 | SCALE_IN_CALLED */
};

/* What tells the program's own mappings from others. */
struct mapping_code {
	u64 break_at; /* where the C library keeps the end of the heap; 0: not known */
	u32 ranges;
	u32 unused;
	struct code_range threads; /* the function that makes threads */
	struct code_range inner[CODE_RANGES]; /* of allocators: what they map is theirs */
};

/* What the call gives is what a pool that waits for it is made of, and not counted. */
#define PENDING 1
#define PENDING_IN_POOL 2

/* A call of an allocator function between its entry and its return, one a thread; beside it one of a pool's,
 * and one of the family mmap. */
struct in_flight {
	u64 sp;      /* at the entry */
	u64 entered; /* ktime */
	u64 size;
	u64 pointer; /* what realloc was given */
	u64 out;     /* where posix_memalign stores its result */
	u64 before;  /* what was there, of a pool's function */
	u64 caller;  /* where it returns to, of one whose exits are probed */
	u32 cookie;  /* its low half */
	u16 pending;  /* the return has not come yet: PENDING, or PENDING_IN_POOL */
	u16 took_old; /* `old` was tracked, and waits here for the result */
	union {
		struct block old;
		struct { /* of the family mmap, where `size` and `pointer` are those of the mapping */
			u64 old_length;
			u64 counted;
		} mapping;
	};
	u64 freed;   /* of the free that this thread has called last, where files are layered */
	u64 free_sp; /* at its entry */
	u64 free_at; /* its function */
};

struct cohort_key {
	u64 stack;
	u32 slot;
	u32 epoch; /* | SCALE_IN_EPOCH */
};

struct cohort {
	u64 allocated_blocks, allocated_bytes;
	u64 freed_blocks, freed_bytes;
	u64 adopted_blocks, adopted_bytes;
};

#include "shared_faults.h"

/* Head of everything in the ring buffer. */
struct event {
	u16 kind;
	u8 end;     /* EVENT_STACK: enum stack_end; EVENT_MISS: MISS_COUNTED, MISS_HELD */
	u8 guessed; /* EVENT_STACK: a frame was found by RULE_GUESS */
	u32 slot;
	u32 count; /* EVENT_STACK: frames that follow; EVENT_MISS: bytes of the slice; EVENT_FORK: the
		    * child, 0 where it is not known; else the thread, or the process that has no slot */
	u32 called; /* EVENT_STACK: function | family << 8; EVENT_FORK: flags of clone;
		     * EVENT_THREAD_EXIT: with EXIT_TOLD, or 0; EVENT_EXEC, EVENT_LOADED: is it held? */
	u64 stack;  /* EVENT_STACK, EVENT_MAPPING: hash of the frames; EVENT_MISS: the ticket; else ktime */
};

#define SLICE_BYTES 8192u
#define SHORT_SLICE_BYTES 2048u
#define MOST_PENDING 4u /* return probes of one thread that are looked at */

/* A return address that a pending return probe has replaced by the kernel's trampoline; `stack` was the
 * stack pointer at the entry of the function. */
struct replaced {
	u64 stack, original;
};

/* A walk that ended at a return address without a rule, and what user space needs to finish it. The
 * block that was born there is counted under the ticket, a stack of its own. The slice may be a short
 * one. */
struct miss {
	struct event event;
	u64 stump;      /* hash of the stack so far, which was sent before */
	u64 pc, sp, fp; /* the frame without a rule: registers in it */
	struct replaced replaced[MOST_PENDING]; /* the innermost ones; the rest 0 */
	u8 slice[SLICE_BYTES]; /* the stack from sp on */
};

/* EVENT_MAPPING: `stack` of the event is that of what is taken, `count` the thread. */
struct mapping_event {
	struct event event;
	u64 address, length;
	u64 old, old_length;
	u64 moment; /* ktime of the call */
};

/* What a record of `calls` tells of. A resize is two: when it begins, for its old address may be given to
 * another thread before it returns, and when its result is known. */
enum call_kind {
	CALL_ALLOCATED = 1,
	CALL_FREED,
	CALL_RESIZING,      /* `old` is about to be resized */
	CALL_RESIZED,       /* `old` is gone, and `address` there */
	CALL_RESIZE_FREED,  /* `old` is gone, and nothing tracked in its place */
	CALL_RESIZE_FAILED, /* `old` is what it was */
	CALL_RESIZE_LOST,   /* the return never came: `old` is taken for what it was */
};

/* One call of the target's code, for a log of all of them. */
struct call {
	u64 address; /* of the block; 0 of an allocation that failed */
	u64 old;     /* what a resize was given */
	u64 size;    /* asked for; 0 of a free */
	u64 caller;  /* return address; 0 where it is not known */
	u32 thread;
	u16 slot;
	u8 kind;
	u8 unused;
};

#define HASH_SEED 0x9e3779b97f4a7c15ULL
#define HASH_FACTOR 0xff51afd7ed558ccdULL

/* One step of the stack hash; user space computes the same to check what it was sent. */
static inline u64 hash_step(u64 hash, u64 word)
{
	hash = (hash ^ word) * HASH_FACTOR;
	return hash ^ hash >> 29;
}

#endif
