/* frames: calls malloc for ever, through every kind of frame that g++ makes without frame pointers.
 *
 * What tests/walks/frames.json was recorded of, after: g++ -O2 -o frames frames.cpp
 * Known answer: from `handler` on, every stack goes through a signal frame; a frame of `realigned` finds
 * its CFA in memory (DWARF 5 section 6.4: DW_CFA_def_cfa_expression), one of `sized` by rbp. */
#include <alloca.h>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <vector>

static volatile int deep;
static void *volatile kept;

[[gnu::noinline]] static void take(std::size_t size)
{
	kept = std::malloc(size);
	std::free(kept);
	deep = deep + 1; /* or the call would be a jump */
}

/* A frame of a size that is not known before. */
[[gnu::noinline]] static void sized(int n, const std::function<void(int)> &next)
{
	volatile char *room = static_cast<char *>(alloca(64 + 16 * (n & 7)));

	room[0] = 1;
	next(n);
	room[1] = 2;
}

/* One whose stack pointer is aligned by hand, of a size that is not known before. */
[[gnu::noinline]] static void realigned(int n, const std::function<void(int)> &next)
{
	alignas(64) volatile char aligned[64];
	volatile char *room = static_cast<char *>(alloca(64 + 16 * (n & 7)));

	aligned[0] = room[0] = 1;
	next(n);
	room[1] = aligned[0];
}

static void handler(int)
{
	take(100);
	std::map<std::string, std::vector<int>> names;
	names[std::string(40, 'x')].resize(30);
	deep = deep + 1;
}

[[gnu::noinline]] static void descend(int n)
{
	switch (n % 4) {
	case 0:
		sized(n - 1, [](int m) { descend(m); take(m + 1); });
		break;
	case 1:
		realigned(n - 1, [](int m) {
			std::raise(SIGUSR1);
			if (m > 0)
				descend(m);
			take(m + 1);
		});
		break;
	case 2: {
		std::vector<std::string> words(3 + n % 3, std::string(20 + n, 'y'));
		descend(n - 1);
		take(words.size());
		break;
	}
	default:
		descend(n - 1);
		take(n);
	}
	deep = deep + 1;
}

int main()
{
	std::signal(SIGUSR1, handler);
	for (;;)
		for (int n = 1; n < 24; n++)
			descend(n);
}
