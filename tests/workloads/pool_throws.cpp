/* pool_throws: a pool of C++ from whose functions exceptions pass.
 *
 * Known answer: 1,000 calls of Pool::get, of which every tenth throws and is caught; each other block but every
 * ninth is put back. 100 blocks of 64 bytes are left in leak_of_pool. With a return probe on Pool::get it ends by
 * SIGABRT. It says "wrong" if an exception does not arrive. */
#include <cstdlib>
#include <new>
#include "protocol.h"

struct Refused {
    long number;
};

class Pool {
public:
    NOINLINE void *get(unsigned long size);
    NOINLINE void *get(unsigned long size, long way);
    NOINLINE void put(void *block);

private:
    long calls = 0;
};

void *Pool::get(unsigned long size)
{
    if (++calls % 10 == 0)
        throw Refused{calls};
    void *block = std::malloc(size + 16);
    if (!block)
        throw std::bad_alloc();
    return (char *)block + 16;
}

void *Pool::get(unsigned long size, long way)
{
    return (char *)get(size) + way;
}

void Pool::put(void *block)
{
    std::free((char *)block - 16);
}

extern "C" NOINLINE void leak_of_pool(Pool &pool)
{
    long caught = 0;
    for (int i = 1; i <= 1000; i++) {
        try {
            void *block = pool.get(64);
            sink = block;
            if (i % 9 != 0 || i % 10 == 0)
                pool.put(block);
        } catch (const Refused &refused) {
            caught += refused.number == i;
        }
    }
    if (caught != 100)
        say("wrong\n");
}

int main()
{
    Pool pool;
    ready();
    leak_of_pool(pool);
    sink = pool.get(64, 0);
    pool.put(sink);
    done();
    return 0;
}
