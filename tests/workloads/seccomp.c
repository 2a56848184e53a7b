/* seccomp: leaks under a filter that kills at every system call from 334 up. On x86-64 kernels from 6.11
 * on a return probe comes back by a system call of its own, 335.
 *
 * Known answer after each phase: +100 blocks, +6,400 bytes in under_filter; the process lives. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include "protocol.h"

static NOINLINE void under_filter(void)
{
    for (int i = 0; i < 100; i++)
        sink = malloc(64);
}

int main(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 334, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
        return 1;
    ready();
    for (;;) {
        under_filter();
        done();
    }
}
