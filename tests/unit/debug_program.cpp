// At the jump at the end of `run`: take (line 17, column 22), inlined into the lambda (line 23,
// column 25), inlined into run (line 25, column 16). `hidden` calls malloc in line 9, `rarely` is
// split, and calls refuse in line 34 from the part that is never run.
#include <cstdlib>
namespace app {
namespace {
__attribute__((noinline)) void *hidden(unsigned size) {
    asm volatile("");
    return std::malloc(size);
}

}  // namespace

template <typename T> struct Pool {
    __attribute__((always_inline)) void *take(unsigned size) {
        asm volatile("");
        return hidden(size + sizeof(T));
    }
};

__attribute__((noinline)) static void *run(Pool<int> &pool, unsigned size) {
    auto grab = [&](unsigned more) __attribute__((always_inline)) {
        return pool.take(more);
    };
    return grab(size);
}

__attribute__((noinline, cold)) void refuse(unsigned size) {
    hidden(size);
}

void *rarely(unsigned size, int *tries) {
    if (size > 1000) {
        refuse(size + ++*tries);
        return nullptr;
    }
    return hidden(size * 2);
}
}  // namespace app

int main(int count, char **) {
    app::Pool<int> pool;
    return app::run(pool, count) == nullptr;
}
