/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Only for BCC's own #if lines: no program of ours asks for a version. */
#define LINUX_VERSION_CODE 0x061200
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
