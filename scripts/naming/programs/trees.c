/* Recursion that is inlined into itself, and blocks of variables of their own within functions. */
#include <stdio.h>
#include <stdlib.h>

struct tree {
    struct tree *left, *right;
};

static struct tree *grown(int depth)
{
    if (depth <= 0)
        return NULL;
    struct tree *tree = malloc(sizeof *tree);
    if (!tree) {
        fprintf(stderr, "no memory at %d\n", depth);
        exit(1);
    }
    {
        int rest = depth - 1;
        tree->left = grown(rest);
        tree->right = grown(rest / 2);
    }
    return tree;
}

static int felled(struct tree *tree)
{
    if (!tree)
        return 0;
    int count = 1 + felled(tree->left) + felled(tree->right);
    free(tree);
    return count;
}

int count_trees(int depth)
{
    int (*cut)(struct tree *) = felled;
    struct tree *tree = grown(depth > 20 ? 20 : depth);
    return printf("%d\n", cut(tree));
}
