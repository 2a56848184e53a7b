/* drained: what is there when a watch begins to drain, and what is done then.
 *
 * phase 1   keep 10 x 100, let_go 10 x 200, resize 5 x 300 (by malloc), map_pages one mapping of 1 MiB
 * phase 2   unseen 7 x 50 by malloc and 2 x 40 by calloc; let_go's 10 are freed; the 5 become 400 each, by
 *           realloc in resized; one of the unseen becomes 60 by realloc, one is freed; a mapping of 2 MiB;
 *           half of the first mapping is unmapped
 * phase 3   again 3 x 70 by malloc
 * So, drained from before phase 2 until before phase 3: keep 10 / 1000, let_go 0, resize 0, resized 5 / 2000,
 * map_pages 1 / 512 KiB, and from phase 3 on again 3 / 210; 1 free is of what was not recorded. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include "protocol.h"

enum { MIB = 1 << 20 };

static void *kept[10], *gone[10], *moved[5], *news[7], *mapping;

static NOINLINE void keep(void)
{
    for (int i = 0; i < 10; i++)
        kept[i] = malloc(100);
}

static NOINLINE void let_go(void)
{
    for (int i = 0; i < 10; i++)
        gone[i] = malloc(200);
}

static NOINLINE void resize(void)
{
    for (int i = 0; i < 5; i++)
        moved[i] = malloc(300);
}

static NOINLINE void map_pages(size_t length)
{
    mapping = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static NOINLINE void unseen(void)
{
    for (int i = 0; i < 7; i++)
        news[i] = malloc(50);
    sink = calloc(2, 20);
    sink = calloc(20, 2);
}

static NOINLINE void resized(void)
{
    for (int i = 0; i < 5; i++)
        moved[i] = realloc(moved[i], 400);
}

static NOINLINE void again(void)
{
    for (int i = 0; i < 3; i++)
        sink = malloc(70);
}

int main(void)
{
    void *first;

    ready();
    keep();
    let_go();
    resize();
    map_pages(MIB);
    first = mapping;
    done();
    unseen();
    for (int i = 0; i < 10; i++)
        free(gone[i]);
    resized();
    news[0] = realloc(news[0], 60);
    free(news[1]);
    map_pages(2 * MIB);
    munmap(first, MIB / 2);
    done();
    again();
    done();
    return 0;
}
