/* hostile_names: names that a terminal or a UI library would obey: comm, and three functions.
 *
 * Known answer after each phase: one block of 100 bytes each in functions whose symbols are (C notation)
 *   "leak[/red]\x1b[31mred"   "leak[abi:cxx11]x[/]y"   "leak\x1b]0;title\x07\nnewline"
 * comm becomes "ev\x1b[31m\nil[/b]" before "ready". The symbols are set by objcopy, from leak_red, leak_abi
 * and leak_title (see the Makefile); a test copies the file to a path with such names too. */
#include <stdlib.h>
#include <sys/prctl.h>
#include "protocol.h"

NOINLINE void leak_red(void)
{
    sink = malloc(100);
}

NOINLINE void leak_abi(void)
{
    sink = malloc(100);
}

NOINLINE void leak_title(void)
{
    sink = malloc(100);
}

int main(void)
{
    prctl(PR_SET_NAME, "ev\x1b[31m\nil[/b]");
    for (ready();; done()) {
        leak_red();
        leak_abi();
        leak_title();
    }
}
