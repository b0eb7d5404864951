/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the fuzz targets share. A target is one function that gets a text and
 * ends the program where a property does not hold; ASan and UBSan end it where
 * memory or arithmetic is misused.
 *
 *	FUZZ(text, len)
 *	{
 *		AUTO_FREE char *printed = print(parse(text));
 *
 *		must(!strcmp(printed, text), "print of parse is the text");
 *	}
 *
 * The text is in memory of its own with a NUL behind it, as root_read() leaves
 * it, so that one byte further is one too many.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "strlist.h"
#include "xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ(text, len) \
	static void fuzz_one(const char *text, size_t len); \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) \
	{ \
		AUTO_FREE char *copy = fuzz_copy(data, size); \
		\
		fuzz_one(copy, size); \
		return 0; \
	} \
	static void fuzz_one(const char *text, size_t len)

static inline char *fuzz_copy(const void *data, size_t size)
{
	char *copy = xcalloc(size + 1, 1);

	if (size)
		memcpy(copy, data, size);
	return copy;
}

/* A property that holds for every text. */
static inline void must(bool holds, const char *property)
{
	if (holds)
		return;
	fprintf(stderr, "property does not hold: %s\n", property);
	abort();
}

/* The same of two texts, NULL equal to NULL alone, which are shown. */
static inline void must_equal(const char *a, const char *b, const char *property)
{
	if (a == b || (a && b && !strcmp(a, b)))
		return;
	fprintf(stderr, "one:   %s\nother: %s\n", a ? a : "(null)", b ? b : "(null)");
	must(false, property);
}

/* Take a line off a text: a copy of it, which the caller frees. "" at the end. */
static inline char *fuzz_line(const char **text)
{
	size_t len = strcspn(*text, "\n");
	char *line = xstrndup(*text, len);

	*text += len + ((*text)[len] == '\n');
	return line;
}

/* All lines of a text. */
static inline void fuzz_lines(const char *text, struct strlist *out)
{
	while (*text)
		strlist_take(out, fuzz_line(&text));
}

#endif
