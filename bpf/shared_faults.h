/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The part of shared.h that is about page faults.
 */
/* Of the family of memory that the kernel gives at a page fault; no functions. */
#define FAMILY_MEMORY 62u
#define FUNCTION_FAULT 125u /* the first touch of a page */
#define FUNCTION_COPY 126u  /* a write to one that was mapped and could only be read */

/* In a value of `fault_slots`, beside the slot: forked off from who is watched, and not watched itself. */
#define FAULT_INHERITED 0x80000000u
#define FAULT_SHARES 0x40000000u /* and in the memory of who has forked it off */
#define FAULT_COPIED 0x80000000u /* beside the process in a key of `faults`: of FUNCTION_COPY */
#define TOUCHED_BITS (1u << 24)
#define FAULT_SLOT(value) ((value)&0x3ffu)
#define FAULT_ADDRESSES 16u /* that are kept of each stack; a power of two */

/* Page faults under one stack; `process` as user space numbers it, with FAULT_COPIED. */
struct fault_key {
	u64 stack;
	u32 slot;
	u32 process;
};

/* `addresses` are a random choice of those that came under `look`: all, or each with the same chance. */
struct faults {
	u64 count;
	u64 before; /* how many there were when the first of these came */
	u32 look;
	u32 unused;
	u64 addresses[FAULT_ADDRESSES];
};

/* The last page fault that this cpu has looked at. */
struct fault_seen {
	u64 task, address;
	u64 done; /* faults that the thread had behind it */
};
