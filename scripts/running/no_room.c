/* An allocator to be preloaded whose blocks have no room to spare: malloc_usable_size says what was
 * asked for, as under Valgrind. Otherwise glibc's own, with the size in front of each block. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

void *__libc_malloc(size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

struct head { /* right before the block */
	void *start;
	size_t size;
};

static struct head *head_of(void *block)
{
	return (struct head *)block - 1;
}

static void *made(size_t alignment, size_t size)
{
	if (alignment < sizeof(struct head))
		alignment = sizeof(struct head);
	if (size > PTRDIFF_MAX - alignment) {
		errno = ENOMEM;
		return NULL;
	}
	char *start = alignment == sizeof(struct head) ? __libc_malloc(size + alignment)
						       : __libc_memalign(alignment, size + alignment);
	if (!start)
		return NULL;
	*head_of(start + alignment) = (struct head){ start, size };
	return start + alignment;
}

void *malloc(size_t size)
{
	return made(0, size);
}

void free(void *block)
{
	if (block)
		__libc_free(head_of(block)->start);
}

void *calloc(size_t count, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(count, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	void *block = made(0, all);

	return block ? memset(block, 0, all) : NULL;
}

void *realloc(void *old, size_t size)
{
	if (old && !size) { /* as glibc and Valgrind do */
		__libc_free(head_of(old)->start);
		return NULL;
	}
	void *block = made(0, size);

	if (block && old) {
		size_t kept = head_of(old)->size;

		memcpy(block, old, kept < size ? kept : size);
		__libc_free(head_of(old)->start);
	}
	return block;
}

void *memalign(size_t alignment, size_t size)
{
	return made(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return made(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	*out = made(alignment, size);
	return *out ? 0 : ENOMEM;
}

size_t malloc_usable_size(void *block)
{
	return block ? head_of(block)->size : 0;
}
