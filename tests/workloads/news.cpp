/* news: every form of operator new and delete, by whichever allocator defines them.
 *
 * Known answer, with "ready" before anything and "done" at the end (see protocol.h). Each form is used 100
 * times with blocks of 48 bytes and kept 7 times, in a function of its name:
 *   plain, array, nothrow, array_nothrow               allocated 100 / 4,800, freed 93, held 7 / 336
 *   aligned, array_aligned, aligned_nothrow, array_aligned_nothrow (64 bytes)   the same
 *   large               10 blocks of 300,000 bytes, all freed
 *   handled             asks twice for what cannot be had: the new handler is called and throws
 *                       std::bad_alloc, which is caught: no block; 5 blocks of 24 bytes after each, kept
 *                       (and each exception is a block of its own, which is freed)
 *                       left out where there is an argument: mimalloc 2.0 aborts there
 * allocated 8 * 100 + 10 + 10 + 2, freed 8 * 93 + 10 + 2, held 8 * 7 + 10 = 66 blocks and 8 * 336 + 240 = 2,928 bytes. */
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include "protocol.h"

static const int TIMES = 100, KEPT = 7, SIZE = 48;
static const std::align_val_t ALIGNED{64};

template <class Take, class Give> static inline __attribute__((always_inline)) void use(Take take, Give give)
{
    for (int i = 0; i < TIMES; i++) {
        void *block = take();
        sink = block;
        if (i >= KEPT)
            give(block, i);
    }
}

static NOINLINE void plain()
{
    use([] { return ::operator new(SIZE); },
        [](void *p, int i) { i % 2 ? ::operator delete(p) : ::operator delete(p, (std::size_t)SIZE); });
}

static NOINLINE void array()
{
    use([] { return ::operator new[](SIZE); },
        [](void *p, int i) { i % 2 ? ::operator delete[](p) : ::operator delete[](p, (std::size_t)SIZE); });
}

static NOINLINE void nothrow()
{
    use([] { return ::operator new(SIZE, std::nothrow); },
        [](void *p, int) { ::operator delete(p, std::nothrow); });
}

static NOINLINE void array_nothrow()
{
    use([] { return ::operator new[](SIZE, std::nothrow); },
        [](void *p, int) { ::operator delete[](p, std::nothrow); });
}

static NOINLINE void aligned()
{
    use([] { return ::operator new(SIZE, ALIGNED); },
        [](void *p, int i) {
            i % 2 ? ::operator delete(p, ALIGNED) : ::operator delete(p, (std::size_t)SIZE, ALIGNED);
        });
}

static NOINLINE void array_aligned()
{
    use([] { return ::operator new[](SIZE, ALIGNED); },
        [](void *p, int i) {
            i % 2 ? ::operator delete[](p, ALIGNED) : ::operator delete[](p, (std::size_t)SIZE, ALIGNED);
        });
}

static NOINLINE void aligned_nothrow()
{
    use([] { return ::operator new(SIZE, ALIGNED, std::nothrow); },
        [](void *p, int) { ::operator delete(p, ALIGNED, std::nothrow); });
}

static NOINLINE void array_aligned_nothrow()
{
    use([] { return ::operator new[](SIZE, ALIGNED, std::nothrow); },
        [](void *p, int) { ::operator delete[](p, ALIGNED, std::nothrow); });
}

static NOINLINE void large()
{
    for (int i = 0; i < 10; i++) {
        void *block = ::operator new(300000);
        sink = block;
        ::operator delete(block);
    }
}

static int handled_times;

static void handler()
{
    handled_times++;
    throw std::bad_alloc();
}

static NOINLINE void handled()
{
    std::set_new_handler(handler);
    for (int i = 0; i < 2; i++) {
        try {
            sink = ::operator new((std::size_t)PTRDIFF_MAX - 4096);
            std::abort();
        } catch (const std::bad_alloc &) {
        }
        for (int k = 0; k < 5; k++)
            sink = ::operator new(24);
    }
    std::set_new_handler(nullptr);
}

int main(int argc, char **)
{
    ready();
    plain();
    array();
    nothrow();
    array_nothrow();
    aligned();
    array_aligned();
    aligned_nothrow();
    array_aligned_nothrow();
    large();
    if (argc == 1)
        handled();
    done();
    return handled_times == (argc == 1 ? 2 : 0) ? 0 : 1;
}
