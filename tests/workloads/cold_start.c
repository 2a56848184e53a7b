/* cold_start: 768 call chains through 256 functions whose frames all differ, the first time that any of this
 * code runs. Chain c is leak_cold, d_.., c_.., b_.., a_.., run_chains, main; the two octal digits of each
 * name are (bank a to d) c % 64, c / 64, 7 * c % 64 and (13 * c + c / 64) % 64. Its blocks have 16 + c % 50
 * bytes, and no two chains are alike.
 *
 * Known answer for each chain:
 *   phase 1  3 blocks, the first of which is freed before the next chain runs
 *   phase 2  the second block of each even chain is freed
 *   phase 3  3 more blocks, all of which are kept */
#include <stdlib.h>
#include "protocol.h"

enum { CHAINS = 768, EACH = 3 };

typedef void step(unsigned chain);

static void *blocks[CHAINS][EACH];
static volatile int after, round;

static NOINLINE void leak_cold(unsigned chain)
{
    for (int i = 0; i < EACH; i++)
        sink = blocks[chain][i] = malloc(16 + chain % 50);
}

#define EIGHT(X, bank, n) \
    X(bank, n##0) X(bank, n##1) X(bank, n##2) X(bank, n##3) \
    X(bank, n##4) X(bank, n##5) X(bank, n##6) X(bank, n##7)
#define SIXTY_FOUR(X, bank) \
    EIGHT(X, bank, 0) EIGHT(X, bank, 1) EIGHT(X, bank, 2) EIGHT(X, bank, 3) \
    EIGHT(X, bank, 4) EIGHT(X, bank, 5) EIGHT(X, bank, 6) EIGHT(X, bank, 7)
#define FUNCTION(bank, n) \
    static NOINLINE void bank##_##n(unsigned chain) \
    { \
        volatile char room[16 + 16 * 0##n]; \
        room[0] = 0; \
        NEXT_OF_##bank(chain); \
        after = room[0]; \
    }
#define NAME(bank, n) bank##_##n,
#define BANK(bank) \
    SIXTY_FOUR(FUNCTION, bank) \
    static step *const bank[64] = {SIXTY_FOUR(NAME, bank)};

#define NEXT_OF_d leak_cold
BANK(d)
#define NEXT_OF_c d[(13 * chain + chain / 64) % 64]
BANK(c)
#define NEXT_OF_b c[7 * chain % 64]
BANK(b)
#define NEXT_OF_a b[chain / 64]
BANK(a)

static NOINLINE void run_chains(int freeing)
{
    for (unsigned chain = 0; chain < CHAINS; chain++) {
        a[chain % 64](chain);
        if (freeing)
            free(blocks[chain][0]);
    }
}

int main(void)
{
    ready();
    /* One call of run_chains for both rounds: two calls would be two sites a chain. */
    for (round = 0; round < 2; round++) {
        run_chains(round == 0);
        done();
        if (round == 0) {
            for (unsigned chain = 0; chain < CHAINS; chain += 2)
                free(blocks[chain][1]);
            done();
        }
    }
    return 0;
}
