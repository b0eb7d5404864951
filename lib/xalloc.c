/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "xalloc.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
	if (p)
		return p;
	fputs("pve-vgpu: out of memory: free memory on this node and try again\n", stderr);
	exit(1);
}

void *xcalloc(size_t n, size_t size)
{
	return must(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n, size_t size)
{
	return must(reallocarray(p, n ? n : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return must(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	return must(strndup(s, n));
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	return must(text);
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *text = xvasprintf(fmt, ap);
	va_end(ap);
	return text;
}

FILE *xmemstream(char **text, size_t *len)
{
	return must(open_memstream(text, len));
}

/* Capacity is the next power of two over n, so it needs no field of its own. */
void *grow_one(void **items, size_t *n, size_t size)
{
	if ((*n & (*n - 1)) == 0) {
		if (*n > SIZE_MAX / 4)
			must(NULL);
		*items = xrealloc(*items, *n ? *n * 2 : 1, size);
	}

	char *slot = (char *)*items + *n * size;

	memset(slot, 0, size);
	(*n)++;
	return slot;
}
