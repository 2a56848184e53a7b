/* libcallback.so: a pool of C that asks a function of the program first; see pool_calls_back.cpp. */
#include <stdlib.h>

void *pool_get(size_t size, void (*ask)(void));
void pool_put(void *block);

__attribute__((noinline)) void *pool_get(size_t size, void (*ask)(void))
{
    ask();
    return malloc(size);
}

__attribute__((noinline)) void pool_put(void *block)
{
    free(block);
}
