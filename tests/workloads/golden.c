/* golden: leaks as an optimised program makes them, with functions inlined, split and called last. Built as
 * programs are, with builtins and sibling calls. What is marked `here: NAME` is a line that a frame shows.
 *
 * Known answer, one phase; TIMES blocks each, inlined functions in brackets:
 *   main > keep_inlined > [make_node] > [alloc_leaf]      24 bytes, from line alloc_leaf
 *   main > keep_cold, in the part that is split off       40 bytes, from line cold
 *   main > keep_tail > tail_leaf                          72 bytes, from line tail_leaf: tail_caller jumps there
 *   main > keep_macro > xmalloc                           56 bytes, by a macro used in line macro
 *   main > keep_copy > strdup                             13 bytes
 *   main > keep_text > asprintf */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include "protocol.h"

enum { TIMES = 20 };

struct node {
    struct node *next;
    long payload[2];
};

static struct node *nodes;
static volatile int after, unlikely;

static inline void *alloc_leaf(size_t size)
{
    void *block = malloc(size); /* here: alloc_leaf */
    sink = block;
    return block;
}

static inline void make_node(long payload)
{
    struct node *made = alloc_leaf(sizeof *made); /* here: make_node */
    made->payload[0] = payload;
    made->next = nodes;
    nodes = made;
}

static NOINLINE void keep_inlined(void)
{
    for (int i = 0; i < TIMES; i++)
        make_node(i); /* here: inlined */
}

static __attribute__((cold, noinline)) void note_failure(void)
{
    after = 1;
}

static NOINLINE void keep_cold(void)
{
    if (__builtin_expect(unlikely, 0)) {
        note_failure();
        sink = malloc(40); /* here: cold */
        note_failure();
    }
    after = 0;
}

static NOINLINE void tail_leaf(size_t size)
{
    sink = malloc(size); /* here: tail_leaf */
    after = 0;
}

static NOINLINE void tail_caller(size_t size)
{
    after = 2;
    tail_leaf(size);
}

static NOINLINE void keep_tail(void)
{
    for (int i = 0; i < TIMES; i++)
        tail_caller(72); /* here: tail */
}

static NOINLINE void *xmalloc(size_t size)
{
    void *block = malloc(size); /* here: xmalloc */
    if (!block)
        abort();
    return block;
}

#define NEW(count, type) ((type *)xmalloc((count) * sizeof(type)))

static NOINLINE void keep_macro(void)
{
    for (int i = 0; i < TIMES; i++)
        sink = NEW(7, long); /* here: macro */
}

static NOINLINE void keep_copy(void)
{
    for (int i = 0; i < TIMES; i++)
        sink = strdup("known answer"); /* here: copy */
}

static NOINLINE void keep_text(void)
{
    for (int i = 0; i < TIMES; i++) {
        char *text;
        if (asprintf(&text, "known answer %d", i) < 0) /* here: text */
            _exit(1);
        sink = text;
    }
}

int main(void)
{
    unlikely = 1;
    ready();
    keep_inlined(); /* here: main_inlined */
    for (int i = 0; i < TIMES; i++)
        keep_cold(); /* here: main_cold */
    keep_tail();  /* here: main_tail */
    keep_macro(); /* here: main_macro */
    keep_copy();  /* here: main_copy */
    keep_text();  /* here: main_text */
    done();
    return 0;
}
