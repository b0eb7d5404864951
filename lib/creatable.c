/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "creatable.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "parse.h"
#include "xalloc.h"

static char *trimmed(const char *s, size_t len)
{
	while (len && strchr(" \t\r", *s))
		s++, len--;
	while (len && strchr(" \t\r", s[len - 1]))
		len--;
	return xstrndup(s, len);
}

static bool parse_line(const char *line, size_t len, struct creatable *row)
{
	const char *colon = memchr(line, ':', len);
	unsigned long number;

	if (!colon)
		return false;

	AUTO_FREE char *id = trimmed(line, (size_t)(colon - line));
	AUTO_FREE char *name = trimmed(colon + 1, len - (size_t)(colon + 1 - line));

	if (parse_ulong(id, 1, UINT_MAX, &number) < 0 || !*name)
		return false;
	row->number = (unsigned int)number;
	row->full_name = take_ptr(name);
	return true;
}

size_t creatable_parse(const char *text, struct creatable **rows)
{
	struct creatable *list = NULL;
	size_t n = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");
		struct creatable row;

		if (parse_line(text, len, &row)) {
			struct creatable *slot = GROW(list, n);

			*slot = row;
		}
		text += len + (text[len] == '\n');
	}
	*rows = list;
	return n;
}

void creatable_free(struct creatable *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(rows[i].full_name);
	free(rows);
}
