/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#define roundup_pow_of_two(n) (1UL << (64 - __builtin_clzl((unsigned long)(n)-1)))
