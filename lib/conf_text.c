/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "conf_text.h"

#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "conf_line.h"
#include "xalloc.h"

_Static_assert(CONF_LINE_MAX <= INI_MAX_LINE - 3, "inih cuts lines");

/* inih calls this for the line that next_line() has just handed over. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct conf_text *t = user;

	(void)section;
	t->key(t->arg, name, value);
	return 1;
}

/* The next line of the text, without its end; the caller frees it. NULL: there is none. */
static char *cut_line(struct conf_text *t)
{
	size_t len;
	const char *start = conf_line_cut(&t->next, t->end, &len);

	if (!start)
		return NULL;
	t->line++;
	if (memchr(start, '\0', len)) {
		t->nul(t->arg);
		return xstrdup("");
	}
	return xstrndup(start, len);
}

/*
 * fgets() for inih. Each line ends in a newline and is shorter than num, for
 * versions of inih differ in what they do where one does not.
 */
static char *next_line(char *buf, int num, void *stream)
{
	struct conf_text *t = stream;
	size_t max = (size_t)num - 3;

	if (max > CONF_LINE_MAX)
		max = CONF_LINE_MAX;

	AUTO_FREE char *line = cut_line(t);

	if (!line)
		return NULL;

	bool take = t->see(t->arg, line, max);

	snprintf(buf, (size_t)num, "%s\n", take ? line : "");
	return buf;
}

int conf_text_read(struct conf_text *t, const char *text, size_t len)
{
	t->next = text;
	t->end = text + len;
	t->line = 0;
	if (len >= strlen(CONF_BOM) && !memcmp(text, CONF_BOM, strlen(CONF_BOM)))
		t->next += strlen(CONF_BOM);
	return ini_parse_stream(next_line, t, on_key, t);
}
