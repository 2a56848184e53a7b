/* apis: the functions that an allocator has beside the standard ones. Built for mimalloc (api_mimalloc), jemalloc
 * (api_jemalloc) and gperftools (api_tcmalloc), each linked with its library.
 *
 * Known answer: each line of `use` below takes 10 blocks of so many bytes in a function of its name, and gives
 * back 4 of them by the function beside it: 6 are held. A resize is of a block of 8 bytes, which is gone. */
#include <stddef.h>
#include "protocol.h"

#define USE(name, size, take, give)                \
    static NOINLINE void name(void)                \
    {                                              \
        for (int i = 0; i < 10; i++) {             \
            void *block = take;                    \
            sink = block;                          \
            if (i < 4)                             \
                give;                              \
        }                                          \
    }

#if defined(MIMALLOC)
void *mi_malloc(size_t), *mi_zalloc(size_t), *mi_malloc_small(size_t), *mi_calloc(size_t, size_t);
void *mi_mallocn(size_t, size_t), *mi_realloc(void *, size_t), *mi_reallocn(void *, size_t, size_t);
void *mi_rezalloc(void *, size_t), *mi_recalloc(void *, size_t, size_t), *mi_reallocf(void *, size_t);
void *mi_heap_new(void), *mi_heap_malloc(void *, size_t), *mi_heap_zalloc(void *, size_t);
void *mi_heap_calloc(void *, size_t, size_t), *mi_heap_realloc(void *, void *, size_t);
void *mi_malloc_aligned(size_t, size_t), *mi_realloc_aligned(void *, size_t, size_t);
void *mi_heap_malloc_aligned(void *, size_t, size_t), *mi_new(size_t), *mi_new_n(size_t, size_t);
void mi_free(void *), mi_free_size(void *, size_t), mi_free_aligned(void *, size_t);
static void *heap;
USE(by_malloc, 100, mi_malloc(100), mi_free(block))
USE(by_zalloc, 100, mi_zalloc(100), mi_free_size(block, 100))
USE(by_small, 64, mi_malloc_small(64), mi_free(block))
USE(by_calloc, 300, mi_calloc(3, 100), mi_free(block))
USE(by_mallocn, 300, mi_mallocn(3, 100), mi_free(block))
USE(by_realloc, 500, mi_realloc(mi_malloc(8), 500), mi_free(block))
USE(by_reallocn, 600, mi_reallocn(mi_malloc(8), 6, 100), mi_free(block))
USE(by_rezalloc, 500, mi_rezalloc(mi_malloc(8), 500), mi_free(block))
USE(by_recalloc, 600, mi_recalloc(mi_calloc(1, 8), 6, 100), mi_free(block))
USE(by_reallocf, 500, mi_reallocf(mi_malloc(8), 500), mi_free(block))
USE(by_heap, 200, mi_heap_malloc(heap, 200), mi_free(block))
USE(by_heap_zalloc, 200, mi_heap_zalloc(heap, 200), mi_free(block))
USE(by_heap_calloc, 400, mi_heap_calloc(heap, 2, 200), mi_free(block))
USE(by_heap_realloc, 700, mi_heap_realloc(heap, mi_heap_malloc(heap, 8), 700), mi_free(block))
USE(by_aligned, 256, mi_malloc_aligned(256, 64), mi_free_aligned(block, 64))
USE(by_realloc_aligned, 512, mi_realloc_aligned(mi_malloc_aligned(8, 64), 512, 64), mi_free(block))
USE(by_heap_aligned, 256, mi_heap_malloc_aligned(heap, 256, 64), mi_free(block))
USE(by_new, 48, mi_new(48), mi_free(block))
USE(by_new_n, 96, mi_new_n(2, 48), mi_free(block))
#define ALL by_malloc(), by_zalloc(), by_small(), by_calloc(), by_mallocn(), by_realloc(), by_reallocn(), \
    by_rezalloc(), by_recalloc(), by_reallocf(), by_heap(), by_heap_zalloc(), by_heap_calloc(),           \
    by_heap_realloc(), by_aligned(), by_realloc_aligned(), by_heap_aligned(), by_new(), by_new_n()
#define BEFORE heap = mi_heap_new()
#elif defined(JEMALLOC)
void *mallocx(size_t, int), *rallocx(void *, size_t, int), *malloc(size_t);
void dallocx(void *, int), sdallocx(void *, size_t, int), free(void *);
USE(by_mallocx, 100, mallocx(100, 0), dallocx(block, 0))
USE(by_mallocx_large, 100000, mallocx(100000, 0), sdallocx(block, 100000, 0))
USE(by_rallocx, 500, rallocx(mallocx(8, 0), 500, 0), dallocx(block, 0))
USE(by_mixed, 50, malloc(50), dallocx(block, 0))
USE(by_mixed_too, 50, mallocx(50, 0), free(block))
#define ALL by_mallocx(), by_mallocx_large(), by_rallocx(), by_mixed(), by_mixed_too()
#define BEFORE (void)0
#else
void *tc_malloc(size_t), *tc_calloc(size_t, size_t), *tc_realloc(void *, size_t), *tc_memalign(size_t, size_t);
void *tc_new(size_t), *tc_newarray(size_t), *tc_malloc_skip_new_handler(size_t);
void tc_free(void *), tc_cfree(void *), tc_free_sized(void *, size_t), tc_delete(void *), tc_deletearray(void *);
USE(by_malloc, 100, tc_malloc(100), tc_free(block))
USE(by_calloc, 300, tc_calloc(3, 100), tc_cfree(block))
USE(by_realloc, 500, tc_realloc(tc_malloc(8), 500), tc_free_sized(block, 500))
USE(by_memalign, 256, tc_memalign(64, 256), tc_free(block))
USE(by_new, 48, tc_new(48), tc_delete(block))
USE(by_newarray, 96, tc_newarray(96), tc_deletearray(block))
USE(by_skip, 70, tc_malloc_skip_new_handler(70), tc_free(block))
#define ALL by_malloc(), by_calloc(), by_realloc(), by_memalign(), by_new(), by_newarray(), by_skip()
#define BEFORE (void)0
#endif

int main(void)
{
    BEFORE;
    ready();
    ALL;
    done();
    return 0;
}
