/* pool_calls_back: a pool of C (libcallback.so, which knows nothing of C++) calls a function of this program, and
 * every tenth time that throws through it.
 *
 * Known answer: 1,000 calls of pool_get, 100 of which throw; of the 900 blocks of 64 bytes 800 are put back and
 * 100 held in leak_of_pool. With a return probe on pool_get it ends by SIGABRT. */
#include <cstdlib>
#include "protocol.h"

extern "C" void *pool_get(std::size_t size, void (*ask)(void));
extern "C" void pool_put(void *block);

static int calls;

static NOINLINE void ask()
{
    if (++calls % 10 == 0)
        throw calls;
}

static NOINLINE void leak_of_pool()
{
    for (int i = 0, got = 0; i < 1000; i++) {
        try {
            void *block = pool_get(64, ask);
            sink = block;
            if (got++ % 9)
                pool_put(block);
        } catch (int number) {
            if (number % 10)
                _exit(1);
        }
    }
}

int main()
{
    ready();
    leak_of_pool();
    done();
    return calls == 1000 ? 0 : 1;
}
