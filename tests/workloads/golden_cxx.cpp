/* golden_cxx: leaks through what C++ programs are made of, built as they are, so that most of the library is
 * inlined. What is marked `here: NAME` is a line that a frame shows.
 *
 * Known answer, one phase; the frames of this file, from the allocation outward, inlined ones in brackets, and
 * the function to blame, which is the first of them unless it says otherwise:
 *   app::keep_vector()                                     lines vector, main_vector: TIMES vectors
 *   app::keep_map()                                        lines map, main_map: TIMES nodes
 *   app::keep_string()                                     lines string, main_string: TIMES strings
 *   app::keep_function()                                   lines function, main_function: TIMES closures
 *   app::keep_shared()                                     lines shared, main_shared: TIMES objects
 *   void app::keep_each<long, 3>(long const (&) [3])       lines template, main_template: 3 blocks
 *   the lambda in app::keep_by_lambda() < itself           lines lambda, by_lambda, main_lambda: TIMES blocks
 *   app::(anonymous namespace)::Pool::grow(unsigned long)  lines pool, keep_pool, main_pool: TIMES blocks
 *   app::Buffer::operator new[] < app::keep_array()        lines own_new, array, main_array: TIMES blocks
 *   [app::Part] < app::Whole::Whole < app::keep_built()    lines part, whole, built, main_built: TIMES blocks;
 *                                                          Part's constructor is inlined into Whole's
 */
#include <array>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>
#include "protocol.h"

enum { TIMES = 10 };

static volatile int after;
static void *kept[16 * TIMES];
static int keeping;

template <class T> static void keep(T *it)
{
    kept[keeping++] = it;
    sink = it;
}

namespace app {

struct Object {
    long numbers[9];
    virtual ~Object() = default;
};

NOINLINE void keep_vector()
{
    static std::vector<int> all[TIMES];
    for (auto &each : all) {
        each.reserve(100); /* here: vector */
        sink = each.data();
    }
}

NOINLINE void keep_map()
{
    static std::map<int, long> all;
    for (int i = 0; i < TIMES; i++)
        all.emplace(i, i); /* here: map */
    sink = &all;
}

NOINLINE void keep_string()
{
    static std::string all[TIMES];
    for (auto &each : all) {
        each.append(100, 's'); /* here: string */
        sink = &each;
    }
}

NOINLINE void keep_function()
{
    static std::function<int(int)> all[TIMES];
    std::array<long, 5> big{1, 2, 3, 4, 5};
    for (auto &each : all) {
        each = [big](int at) { return (int)big[at]; }; /* here: function */
        sink = &each;
    }
}

NOINLINE void keep_shared()
{
    static std::shared_ptr<Object> all[TIMES];
    for (auto &each : all) {
        each = std::make_shared<Object>(); /* here: shared */
        sink = each.get();
    }
}

template <class T, int N> NOINLINE void keep_each(const T (&sizes)[N])
{
    for (auto size : sizes)
        keep(std::malloc(size)); /* here: template */
}

NOINLINE void keep_by_lambda()
{
    auto make = [](int size) __attribute__((noinline)) {
        keep(std::malloc(size)); /* here: lambda */
        after = size;
    };
    for (int i = 0; i < TIMES; i++)
        make(80 + i % 2); /* here: by_lambda */
}

namespace {

class Pool {
  public:
    NOINLINE void grow(unsigned long size)
    {
        room = std::malloc(size); /* here: pool */
        keep(room);
    }
    void *room = nullptr;
};

} // namespace

NOINLINE void keep_pool()
{
    static Pool pool;
    for (int i = 0; i < TIMES; i++)
        pool.grow(90); /* here: keep_pool */
    after = 0;
}

struct Buffer {
    char bytes[30];
    static NOINLINE void *operator new[](std::size_t size)
    {
        void *room = std::malloc(size); /* here: own_new */
        sink = room;
        return room;
    }
};

NOINLINE void keep_array()
{
    for (int i = 0; i < TIMES; i++)
        keep(new Buffer[4]); /* here: array */
}

struct Part {
    explicit Part(int size) : room(std::malloc(size)) /* here: part */
    {
        keep(room);
    }
    void *room;
};

struct Whole {
    NOINLINE explicit Whole(int size) : part(size) /* here: whole */
    {
        after = size;
    }
    Part part;
};

NOINLINE void keep_built()
{
    for (int i = 0; i < TIMES; i++) {
        Whole whole(70); /* here: built */
        after = 1;
    }
}

} // namespace app

int main()
{
    static const long sizes[3] = {101, 102, 103};
    ready();
    app::keep_vector();    /* here: main_vector */
    app::keep_map();       /* here: main_map */
    app::keep_string();    /* here: main_string */
    app::keep_function();  /* here: main_function */
    app::keep_shared();    /* here: main_shared */
    app::keep_each(sizes); /* here: main_template */
    app::keep_by_lambda(); /* here: main_lambda */
    app::keep_pool();      /* here: main_pool */
    app::keep_array();     /* here: main_array */
    app::keep_built();     /* here: main_built */
    done();
    _exit(0);
}
