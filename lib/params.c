/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "params.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

#define BLANKS		" \t"
#define SEPARATORS	", \t\n"
#define NAME_CHARS	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static bool is_item(const char *s, size_t len)
{
	size_t name = strspn(s, NAME_CHARS);

	if (!name || name + 1 >= len || s[name] != '=')
		return false;
	for (size_t i = name + 1; i < len; i++)
		if (!isgraph((unsigned char)s[i]) || s[i] == '=')
			return false;
	return true;
}

/* The item at s, without the blanks around it; *end is its comma or the end. */
static size_t item(const char **s, const char **end)
{
	*s += strspn(*s, BLANKS);

	size_t len = strcspn(*s, ",");

	*end = *s + len;
	while (len && strchr(BLANKS, (*s)[len - 1]))
		len--;
	return len;
}

int params_parse(const char *text, char **out)
{
	AUTO_FREE char *list = NULL;
	const char *s = text, *end;

	for (;; s = end + 1) {
		size_t len = item(&s, &end);

		if (!is_item(s, len))
			return -EINVAL;

		char *longer = xasprintf("%s%s%.*s", list ? list : "", list ? "," : "", (int)len, s);

		free(list);
		list = longer;
		if (!*end)
			break;
	}
	*out = take_ptr(list);
	return 0;
}

static bool has_word(const char *list, const char *word, size_t len)
{
	for (const char *s = list; *(s += strspn(s, SEPARATORS)); s += strcspn(s, SEPARATORS))
		if (strcspn(s, SEPARATORS) == len && !memcmp(s, word, len))
			return true;
	return false;
}

bool params_are_in(const char *params, const char *kept)
{
	for (const char *s = params; *(s += strspn(s, SEPARATORS)); s += strcspn(s, SEPARATORS))
		if (!has_word(kept, s, strcspn(s, SEPARATORS)))
			return false;
	return true;
}
