/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Allocation that cannot fail: without memory the program says so and exits
 * with status 1. That is a crash like any other, and a crash at any point
 * leaves a state from which the next command goes on.
 */
#ifndef XALLOC_H
#define XALLOC_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), malloc, returns_nonnull));
char *xvasprintf(const char *fmt, va_list ap)
	__attribute__((format(printf, 1, 0), malloc, returns_nonnull));

/* A stream into memory: *text is valid after fclose() and owned by the caller. */
FILE *xmemstream(char **text, size_t *len) __attribute__((returns_nonnull));

/*
 * Make room for one more element in a growing array and return its address,
 * zeroed. Usage: struct x *new = GROW(list->items, list->n);
 */
#define GROW(items, n) \
	((__typeof__(items))grow_one((void **)&(items), &(n), sizeof(*(items))))
void *grow_one(void **items, size_t *n, size_t size);

#endif
