/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "modprobe_conf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

#define BLANKS	" \t"

/* Whether text begins with this name; '-' and '_' are one in it. */
static bool begins(const char *text, const char *name)
{
	for (; *name; text++, name++) {
		char a = *text == '-' ? '_' : *text, b = *name == '-' ? '_' : *name;

		if (a != b)
			return false;
	}
	return true;
}

/*
 * The next parameter of a line, which *s is moved behind: up to a blank that is
 * in no quotes. NULL at the end. The caller frees it.
 */
static char *next_param(const char **s)
{
	const char *from = *s + strspn(*s, BLANKS), *end = from;
	bool quoted = false;

	for (; *end && (quoted || !strchr(BLANKS, *end)); end++)
		quoted ^= *end == '"';
	*s = end;
	return end == from ? NULL : xstrndup(from, (size_t)(end - from));
}

/* Its value if it is that parameter, else NULL. The kernel takes quotes around the value and around the whole. */
static char *value_of(const char *word, const char *param)
{
	const char *name = word + (*word == '"'), *value;

	if (!begins(name, param) || name[strlen(param)] != '=')
		return NULL;
	value = name + strlen(param) + 1;
	value += *value == '"';
	return xstrndup(value, strcspn(value, "\""));
}

/* Replace *found by the last value that this line has. Whether it has any. */
static bool take_all(const char *params, const char *param, char **found)
{
	bool any = false;

	for (;;) {
		AUTO_FREE char *word = next_param(&params);
		char *value = word ? value_of(word, param) : NULL;

		if (!word)
			return any;
		if (!value)
			continue;
		free(*found);
		*found = value;
		any = true;
	}
}

/* What follows "options <module>" in a line; NULL: it is another line. */
static const char *options_of(const char *line, const char *module)
{
	static const char word[] = "options";
	const char *s = line + strspn(line, BLANKS);

	if (strncmp(s, word, strlen(word)) || !strchr(BLANKS, s[strlen(word)]))
		return NULL;
	s += strlen(word);
	s += strspn(s, BLANKS);
	if (!begins(s, module) || !strchr(BLANKS, s[strlen(module)]))
		return NULL;
	return s + strlen(module);
}

/* A line with those that a '\' at its end joins to it; *n: how many there are. The caller frees it. */
static char *joined_line(const char **next, unsigned int *n)
{
	char *line = xstrdup("");

	*n = 0;
	for (bool more = true; more && **next;) {
		size_t len = strcspn(*next, "\n");
		char *longer;

		more = len && (*next)[len - 1] == '\\';
		longer = xasprintf("%s%.*s", line, (int)(len - more), *next);
		free(line);
		line = longer;
		*next += len + ((*next)[len] == '\n');
		(*n)++;
	}
	return line;
}

char *modprobe_value(const char *text, const char *module, const char *param, unsigned int *line)
{
	char *found = NULL;
	unsigned int at = 1, n;

	for (; *text; at += n) {
		AUTO_FREE char *one = joined_line(&text, &n);
		const char *params = options_of(one, module);

		if (params && take_all(params, param, &found))
			*line = at;
	}
	return found;
}

char *modprobe_cmdline_value(const char *cmdline, const char *module, const char *param)
{
	AUTO_FREE char *name = xasprintf("%s.%s", module, param);
	AUTO_FREE char *one = xstrndup(cmdline, strcspn(cmdline, "\n"));
	char *found = NULL;

	take_all(one, name, &found);
	return found;
}
