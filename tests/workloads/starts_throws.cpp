// starts_throws: a constructor of the program throws through two functions and catches, 50 times.
//
// Known answer: `caught` keeps one block of 40 bytes for each; the exceptions are freed. What libstdc++
// keeps for itself comes before.
#include <cstdlib>
#include <stdexcept>

#define NOINLINE __attribute__((noinline, noclone, noipa))

static void *volatile sink;

static NOINLINE void thrower(int n)
{
    throw std::runtime_error(n % 2 ? "odd" : "even");
}

static NOINLINE void between(int n)
{
    sink = std::malloc(8);
    std::free(sink);
    thrower(n);
}

static NOINLINE void caught()
{
    sink = std::malloc(40);
}

static struct Early {
    Early()
    {
        for (int n = 0; n < 50; n++) {
            try {
                between(n);
            } catch (const std::runtime_error &) {
                caught();
            }
        }
    }
} early;

int main()
{
    return 3;
}
