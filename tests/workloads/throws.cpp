/* throws: C++ exceptions and forced unwinding beside, and in one build through, an allocator that is traced.
 *
 * Builds: throws (libstdc++ and glibc), throws_static (the same in one file), and throws_pool, in which the
 * program defines and exports malloc and the rest itself: its malloc throws what is no std::bad_alloc.
 *
 * Known answer: one phase, after which every exception has been caught where it belongs (else it says
 * "wrong") and 10 blocks of 1,000 bytes are left from leak_after_throw. In throws and throws_static all of
 *   that is seen; in throws_pool nothing is: no return probe may be put on a malloc that throws. With one the
 *   program ends by SIGABRT at its first throw. */
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <vector>
#include "protocol.h"

struct Refused {
    std::size_t size;
};

static int destroyed;
struct Guard {
    ~Guard() { __atomic_fetch_add(&destroyed, 1, __ATOMIC_RELAXED); }
};

static void expect(bool holds)
{
    if (!holds) {
        say("wrong\n");
        _exit(1);
    }
}

static volatile std::size_t too_much = std::size_t(1) << 62;

#ifdef OWN_MALLOC
/* By names of the assembler: stdlib.h declares malloc as throwing nothing, and the compiler believes it. */
extern "C" {
void *pool_malloc(std::size_t) __asm__("malloc");
void *pool_calloc(std::size_t, std::size_t) __asm__("calloc");
void *pool_realloc(void *, std::size_t) __asm__("realloc");
void *pool_memalign(std::size_t, std::size_t) __asm__("aligned_alloc");
void pool_free(void *) __asm__("free");
}

static int unwound_by_malloc;
static char pool[64 << 20] __attribute__((aligned(64)));
static std::size_t used;

static void *take(std::size_t alignment, std::size_t size)
{
    if (size > sizeof pool)
        throw Refused{size};
    std::size_t whole = (size + 16 + alignment + 63) / 64 * 64;
    char *start = pool + __atomic_fetch_add(&used, whole, __ATOMIC_RELAXED) + 16;
    if (start + whole > pool + sizeof pool)
        throw Refused{size};
    char *block = (char *)(((std::uintptr_t)start + alignment - 1) / alignment * alignment);
    std::memcpy(block - 8, &size, 8);
    return block;
}

NOINLINE void *pool_malloc(std::size_t size)
{
    struct Counted {
        bool returned = false;
        ~Counted() { unwound_by_malloc += !returned; }
    } counted;
    void *block = take(16, size);
    counted.returned = true;
    return block;
}

NOINLINE void *pool_calloc(std::size_t count, std::size_t size)
{
    return take(16, count * size);
}

NOINLINE void *pool_memalign(std::size_t alignment, std::size_t size)
{
    return take(alignment, size);
}

NOINLINE void *pool_realloc(void *old, std::size_t size)
{
    void *block = take(16, size);
    std::size_t had = 0;
    if (old)
        std::memcpy(&had, (char *)old - 8, 8);
    return std::memcpy(block, old, had < size ? had : size);
}

NOINLINE void pool_free(void *)
{
}

static void through_malloc()
{
    int before = unwound_by_malloc;
    try {
        sink = pool_malloc(too_much);
        expect(false);
    } catch (const Refused &refused) {
        expect(refused.size == too_much && unwound_by_malloc == before + 1);
    }
    try {
        sink = pool_realloc(sink, too_much);
        expect(false);
    } catch (const Refused &) {
    }
}
#else
static void through_malloc()
{
    expect(malloc(too_much) == nullptr);
}
#endif

static void bad_alloc_of_operator_new()
{
#ifndef OWN_MALLOC
    try {
        sink = operator new(too_much);
        expect(false);
    } catch (const std::bad_alloc &) {
    }
    expect(operator new(too_much, std::nothrow) == nullptr);
#endif
}

static int handled;

static void failing_handler()
{
    handled++;
    sink = malloc(100);
    free(sink);
    if (handled % 2)
        throw Refused{1};
    throw std::bad_alloc();
}

static void thrown_by_a_new_handler()
{
#ifndef OWN_MALLOC
    std::set_new_handler(failing_handler);
    int seen = 0;
    for (int i = 0; i < 2; i++) {
        try {
            sink = operator new(too_much);
        } catch (const Refused &) {
            seen |= 1;
        } catch (const std::bad_alloc &) {
            seen |= 2;
        }
    }
    expect(seen == 3);
    std::set_new_handler(nullptr);
#else
    (void)failing_handler;
#endif
}

static NOINLINE void deep(int depth)
{
    Guard guard;
    std::string text(100, 'x');
    sink = &text;
    if (depth == 0)
        throw Refused{text.size()};
    deep(depth - 1);
}

static void own_exceptions()
{
    int before = destroyed;
    try {
        deep(50);
        expect(false);
    } catch (const Refused &refused) {
        expect(refused.size == 100 && destroyed == before + 51);
    }
}

static void growth_of_containers()
{
    std::vector<std::string> names;
    for (int i = 0; i < 200; i++)
        names.push_back(std::string(50 + i, 'n'));
    bool thrown = false;
    try {
        names.resize(too_much);
    } catch (const std::length_error &) {
        thrown = true;
    }
    try {
        std::string text("x");
        text.resize(too_much * 2);
        sink = &text;
    } catch (const std::exception &) {
    }
    expect(thrown && names.size() == 200);
}

static int throwing_order(const void *a, const void *b)
{
    sink = malloc(10);
    free(sink);
    if (*(const int *)a == 3 || *(const int *)b == 3)
        throw Refused{3};
    return *(const int *)a - *(const int *)b;
}

static void through_qsort()
{
    int numbers[8] = {8, 7, 6, 5, 4, 3, 2, 1};
    try {
        qsort(numbers, 8, sizeof numbers[0], throwing_order);
        expect(false);
    } catch (const Refused &) {
    }
}

static void leave(int)
{
    pthread_exit(nullptr);
}

static NOINLINE void leave_thread(int depth)
{
    Guard guard;
    std::vector<int> numbers(1000);
    sink = numbers.data();
    void (*volatile next)(int) = depth > 0 ? leave_thread : leave;
    next(depth - 1);
}

static NOINLINE void wait_for_cancel()
{
    Guard guard;
    for (;;) {
        std::string text(1000, 'c');
        sink = &text;
        pthread_testcancel();
    }
}

static void *leaving_thread(void *)
{
    leave_thread(20);
    return nullptr;
}

static void *cancelled_thread(void *)
{
    wait_for_cancel();
    return nullptr;
}

static void forced_unwinding()
{
    pthread_t thread;
    int before = destroyed;
    expect(pthread_create(&thread, nullptr, leaving_thread, nullptr) == 0);
    pthread_join(thread, nullptr);
    expect(destroyed == before + 21);
    expect(pthread_create(&thread, nullptr, cancelled_thread, nullptr) == 0);
    sleep_ms(5);
    pthread_cancel(thread);
    pthread_join(thread, nullptr);
    expect(destroyed == before + 22);
}

extern "C" NOINLINE void leak_after_throw()
{
    bool caught = false;
    try {
        through_malloc();
        throw Refused{0};
    } catch (const Refused &) {
        caught = true;
    }
    expect(caught);
    sink = malloc(1000);
}

int main()
{
    ready();
    for (int i = 0; i < 10; i++) {
        through_malloc();
        bad_alloc_of_operator_new();
        thrown_by_a_new_handler();
        own_exceptions();
        growth_of_containers();
        through_qsort();
        leak_after_throw();
    }
    forced_unwinding();
    done();
    return 0;
}
