/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit_file.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

#define BLANKS	" \t\r"

static void cut_end(char *line)
{
	size_t len = strlen(line);

	while (len && strchr(BLANKS, line[len - 1]))
		line[--len] = '\0';
}

/* The next line with what it goes on with, comments among it left out; NULL at the end. */
static char *next_line(char **rest)
{
	char *line = NULL;

	while (*rest) {
		char *part = strsep(rest, "\n");

		part += strspn(part, BLANKS);
		if (*part == '#' || *part == ';')
			continue;
		cut_end(part);

		size_t len = strlen(part);
		bool goes_on = len && part[len - 1] == '\\';

		if (goes_on)
			part[len - 1] = '\0';

		char *whole = line ? xasprintf("%s %s", line, part) : xstrdup(part);

		free(line);
		line = whole;
		if (!goes_on)
			break;
	}
	return line;
}

static bool has_word(char *list, const char *word)
{
	char *part;

	while ((part = strsep(&list, BLANKS)))
		if (!strcmp(part, word))
			return true;
	return false;
}

/* What an assignment of the key says; NULL: the line is none. */
static char *value_of(char *line, const char *key)
{
	size_t len = strlen(key);

	if (strncmp(line, key, len))
		return NULL;
	line += len;
	line += strspn(line, BLANKS);
	return *line == '=' ? line + 1 + strspn(line + 1, BLANKS) : NULL;
}

bool unit_file_lists(const char *text, const char *key, const char *word)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *rest = copy, *line;
	bool in_unit = false, listed = false;

	while ((line = next_line(&rest))) {
		AUTO_FREE char *own = line;
		char *value = value_of(own, key);

		if (*own == '[')
			in_unit = !strcmp(own, "[Unit]");
		else if (in_unit && value)
			listed = *value && (listed || has_word(value, word));
	}
	return listed;
}
