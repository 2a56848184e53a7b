/* big_and_strdup: what is easily counted twice.
 *
 * Known answer, cumulative:
 *   phase 1  big_block: malloc(300000), which glibc serves by an mmap of its own
 *            allocated_blocks 1, allocated_bytes 300,000, one site
 *   phase 2  copy_text: strdup of 99 characters, inside which libc calls malloc
 *            allocated_blocks 2, allocated_bytes 300,100
 *   phase 3  both are freed               blocks 0, bytes 0; freed_blocks 2 */
#include <stdlib.h>
#include "protocol.h"

static char text[100];

static NOINLINE void *big_block(void)
{
    char *p = malloc(300000);
    p[0] = p[299999] = 1;
    return p;
}

static NOINLINE void *copy_text(void)
{
    void *p = strdup(text);
    sink = p;
    return p;
}

int main(void)
{
    memset(text, 'x', 99);
    ready();
    void *big = big_block();
    done();
    void *copy = copy_text();
    done();
    free(big);
    free(copy);
    done();
    return 0;
}
