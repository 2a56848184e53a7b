/* Static functions that are inlined, several calls a line, and one that is called by two files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    struct node *next;
    char *text;
};

int count_trees(int depth);

static inline char *copy(const char *text)
{
    char *made = malloc(strlen(text) + 1);
    return made ? strcpy(made, text) : NULL;
}

static struct node *push(struct node *list, const char *text)
{
    struct node *node = calloc(1, sizeof *node);
    if (!node)
        abort();
    node->text = copy(text), node->next = list;
    return node;
}

#define PUSH_TWO(list, text) ((list) = push((list), (text)), (list) = push((list), (text)))

static void drop(struct node *list)
{
    while (list) {
        struct node *next = list->next;
        free(list->text);
        free(list);
        list = next;
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

__attribute__((noinline)) static int sorted(struct node *list, int constant)
{
    char *texts[64];
    int count = 0;
    for (; list && count < 64; list = list->next)
        texts[count++] = list->text;
    qsort(texts, count, sizeof *texts, compare);
    for (int i = 0; i < count; i++)
        if (printf("%d %s\n", constant + i, texts[i]) < 0)
            return -1;
    return count;
}

int main(int argc, char **argv)
{
    struct node *list = NULL;
    for (int i = 0; i < argc; i++)
        PUSH_TWO(list, argv[i]);
    int count = sorted(list, 3) + count_trees(argc);
    drop(list);
    return count < 0;
}
