/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* BCC sizes ring buffers by it; arm64 kernels with larger pages round up themselves. */
#define PAGE_SHIFT 12
#define PAGE_SIZE 4096UL
