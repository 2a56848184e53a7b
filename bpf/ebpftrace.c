/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The whole kernel side, in the order in which its parts use each other. BCC rewrites only the main
 * text, so the loader puts these files into one before it compiles.
 */
#define BPF_LICENSE GPL
#include <uapi/linux/ptrace.h>
#include "shared.h"
#include "arch.h"
#include "registers.h"
#include "walk.h"
#include "maps.h"
#include "ids.h"
#include "holding.h"
#include "trace.h"
#include "unwind.h"
#include "paths.h"
#include "stack.h"
#include "accounting.h"
#include "calls.h"
#include "mappings.h"
#include "malloc_family.h"
#ifdef WATCH_FAULTS
#include "faults.h"
#endif
#include "lifecycle.h"
