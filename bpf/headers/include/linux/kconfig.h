/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * BCC includes this file before everything else. Together with the empty headers around it, it takes
 * the place of the kernel's headers: our programs read only registers and their own maps, so they
 * need the fixed-width types and `struct pt_regs`, which is ABI, and nothing of one kernel's build.
 */
#ifndef EBPFTRACE_KCONFIG_H
#define EBPFTRACE_KCONFIG_H

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u8 u8;
typedef __s8 s8;
typedef __u16 u16;
typedef __s16 s16;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u16 __le16;
typedef __u32 __le32;
typedef __u64 __le64;
typedef __u16 __sum16;
typedef __u32 __wsum;
typedef __u64 __aligned_u64 __attribute__((aligned(8)));
typedef u8 uint8_t;
typedef u16 uint16_t;
typedef u32 uint32_t;
typedef u64 uint64_t;
typedef s8 int8_t;
typedef s16 int16_t;
typedef s32 int32_t;
typedef s64 int64_t;
typedef unsigned long uintptr_t;
typedef unsigned long size_t;
typedef long ssize_t;
typedef int pid_t;
typedef _Bool bool;

#define CONFIG_BPF_SYSCALL 1 /* or BCC's helpers leave the map functions out */
#define NULL ((void *)0)
#define true 1
#define false 0
#define __user
#define __percpu
#define __always_inline inline __attribute__((always_inline))
#define offsetof(type, member) __builtin_offsetof(type, member)

#if defined(EBPFTRACE_ARM64)
/* struct user_pt_regs of arch/arm64/include/uapi/asm/ptrace.h */
struct pt_regs {
	unsigned long regs[31];
	unsigned long sp;
	unsigned long pc;
	unsigned long pstate;
};
#else
/* arch/x86/include/asm/ptrace.h */
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax, ip, cs, flags, sp, ss;
};
#endif

#endif
