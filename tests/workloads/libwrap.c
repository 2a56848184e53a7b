/* libwrap.so: an allocator that is preloaded, puts a 16-byte header before each block and gets its memory
 * from the next malloc, as sanitizers and profilers do. See nested_wrapper.c for the known answer.
 * The header tells its own blocks from those that were made before its constructor ran. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct header {
    uint64_t magic, size;
};

#define MAGIC 0x6562706674726163ULL

static void *(*next_malloc)(size_t);
static void *(*next_realloc)(void *, size_t);
static void (*next_free)(void *);

__attribute__((constructor)) static void find_next(void)
{
    next_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    next_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    next_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
}

static void *mark(struct header *h, size_t size)
{
    if (!h)
        return NULL;
    h->magic = MAGIC;
    h->size = size;
    return h + 1;
}

void *malloc(size_t size)
{
    if (!next_malloc)
        find_next();
    return mark(next_malloc(size + sizeof(struct header)), size);
}

void *calloc(size_t count, size_t size)
{
    if (!next_malloc)
        find_next();
    size_t bytes = count * size;
    if (size && bytes / size != count)
        return NULL;
    struct header *h = next_malloc(bytes + sizeof *h);
    if (h)
        memset(h + 1, 0, bytes);
    return mark(h, bytes);
}

void free(void *p)
{
    struct header *h = (struct header *)p - 1;
    if (!p)
        return;
    if (h->magic != MAGIC) { /* from before, or from a function that is not wrapped */
        next_free(p);
        return;
    }
    h->magic = 0;
    next_free(h);
}

void *realloc(void *p, size_t size)
{
    struct header *h = p ? (struct header *)p - 1 : NULL;
    if (!next_realloc)
        find_next();
    if (h && h->magic != MAGIC)
        return next_realloc(p, size);
    return mark(next_realloc(h, size + sizeof *h), size);
}
