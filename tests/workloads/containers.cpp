/* containers: leaks through libstdc++, whose `operator new` stands between malloc and who is responsible.
 *
 * Known answer, one phase; each function keeps what it makes, and each is a site of its own:
 *   keep_title   50 strings of 60 characters, made by the constructor: 50 blocks of 61 bytes
 *   keep_line    50 strings of 100 characters, grown by one append: 50 blocks of 101 bytes
 *   keep_name    50 strings of 200 characters, copied: 50 blocks of 201 bytes
 *   keep_numbers 50 vectors of 100 ints, reserved: 50 blocks of 400 bytes
 *   keep_object  50 objects of 72 bytes by `new`
 *   keep_pairs   one map of 50 nodes */
#include <map>
#include <string>
#include <vector>
#include "protocol.h"

enum { TIMES = 50 };

struct Object {
    char bytes[72];
};

template <class T> struct Kept {
    alignas(T) char room[TIMES * sizeof(T)];
    void *at(int i) { return room + i * sizeof(T); }
};

static Kept<std::string> titles, lines, names;
static Kept<std::vector<int>> numbers;
static Kept<std::map<int, int>> pairs;
static const std::string name(200, 'n');

extern "C" NOINLINE void keep_title()
{
    for (int i = 0; i < TIMES; i++)
        sink = new (titles.at(i)) std::string(60, 't');
}

extern "C" NOINLINE void keep_line()
{
    for (int i = 0; i < TIMES; i++) {
        auto *line = new (lines.at(i)) std::string;
        line->append(100, 'l');
        sink = line;
    }
}

extern "C" NOINLINE void keep_name()
{
    for (int i = 0; i < TIMES; i++)
        sink = new (names.at(i)) std::string(name);
}

extern "C" NOINLINE void keep_numbers()
{
    for (int i = 0; i < TIMES; i++) {
        auto *each = new (numbers.at(i)) std::vector<int>;
        each->reserve(100);
        sink = each;
    }
}

extern "C" NOINLINE void keep_object()
{
    for (int i = 0; i < TIMES; i++)
        sink = new Object;
}

extern "C" NOINLINE void keep_pairs()
{
    auto *each = new (pairs.at(0)) std::map<int, int>;
    for (int i = 0; i < TIMES; i++)
        (*each)[i] = i;
    sink = each;
}

int main()
{
    ready();
    keep_title();
    keep_line();
    keep_name();
    keep_numbers();
    keep_object();
    keep_pairs();
    done();
    _exit(0);
}
