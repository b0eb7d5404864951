/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "settings_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "parse.h"
#include "quote.h"
#include "xalloc.h"

#define BLANKS	" \t"

const char *settings_line_cut(const char **next, const char *end, size_t *len)
{
	const char *start = *next;

	if (start == end)
		return NULL;

	const char *nl = memchr(start, '\n', (size_t)(end - start));

	*len = (size_t)((nl ? nl : end) - start);
	*next = nl ? nl + 1 : end;
	if (*len && start[*len - 1] == '\r')
		--*len;
	return start;
}

/* Control characters but tabs, and a byte order mark: what no line may have. */
static const char *bad_character(const char *line, char buf[static 8])
{
	if (strstr(line, SETTINGS_BOM))
		return "a byte order mark";
	for (const char *s = line; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c < ' ' && c != '\t') || c == 0x7f) {
			snprintf(buf, 8, "\\x%02x", c);
			return buf;
		}
	}
	return NULL;
}

/* Whether nothing but blanks and an inline comment is left of a line. */
static bool is_tail(const char *s)
{
	size_t blanks = strspn(s, BLANKS);

	return !s[blanks] || (blanks && s[blanks] == ';');
}

/*
 * Whether a line was meant as a header. It is enough that it looks like one:
 * taken for anything else, what follows would go to the section before it.
 */
static bool is_header(const char *line)
{
	const char *word = line + strspn(line, BLANKS);
	size_t name = strcspn(line, "=");

	if (strcspn(line, "[]") < name)
		return true;
	return !line[name] && (!strncasecmp(word, "vm", 2) || !strncasecmp(word, "default", 7));
}

static bool is_comment(const char *line)
{
	line += strspn(line, BLANKS);
	return !*line || *line == ';' || *line == '#';
}

static void read_header(const char *line, const char *bad, struct settings_line *out)
{
	const char *close = strchr(line, ']');
	AUTO_FREE char *name = *line == '[' && close ?
		xstrndup(line + 1, (size_t)(close - line - 1)) : NULL;

	out->kind = LINE_LOST;
	if (bad)
		out->why = xasprintf("%s in a section header; remove it", bad);
	else if (!name || !is_tail(close + 1) ||
		 (strcmp(name, "defaults") && (strncmp(name, "vm", 2) || !strchr(BLANKS, name[2]))))
		out->why = xasprintf("%s is no section; write '[defaults]' or '[vm <vmid>]'", QUOTED(line));
	else if (!strcmp(name, "defaults"))
		out->kind = LINE_DEFAULTS;
	else if (parse_vmid(name + 2 + strspn(name + 2, BLANKS), &out->vmid) < 0)
		out->why = xasprintf("%s names no VM; a vmid is a number from 100 to 999999999", QUOTED(line));
	else
		out->kind = LINE_VM;
}

/* As inih does it: up to one of chars, or a ';' behind a blank, or the end. */
static size_t span(const char *s, const char *chars)
{
	size_t n = 0;

	for (; s[n] && !strchr(chars, s[n]); n++)
		if (n && s[n] == ';' && strchr(BLANKS, s[n - 1]))
			break;
	return n;
}

static const char *value_fault(const char *value)
{
	size_t len = span(value, "");
	size_t blanks = strspn(value, BLANKS);

	if (blanks >= len)
		return "no value";
	for (size_t i = blanks; i < len; i++)
		if (value[i] == '#' && (i == blanks || strchr(BLANKS, value[i - 1])))
			return "'#' behind a value begins no comment";
	return NULL;
}

/* Why inih would make of this line anything but what it says; NULL: it would not. */
static char *key_fault(const char *line, size_t name, size_t max)
{
	const char *bad;

	if (strlen(line) > max)
		return xasprintf("the line has %zu characters and at most %zu are read; shorten it, a comment can have its own line",
				 strlen(line), max);
	if (strchr(BLANKS, *line))
		return xstrdup("the line is indented; begin it without blanks");
	if (line[name] == ':')
		return xasprintf("':' behind %s; write 'name = value'",
				 quote_into((char[QUOTE_LEN]){ 0 }, line, name));
	if (line[name] != '=')
		return xasprintf("%s has no '='; write 'name = value'", QUOTED(line));
	if (name == 0)
		return xasprintf("%s has no name; write 'name = value'", QUOTED(line));
	bad = value_fault(line + name + 1);
	return bad ? xasprintf("%s: %s; write 'name = value' or 'name = value ; comment'",
			       QUOTED(line), bad) : NULL;
}

/* Without the blanks at its end. */
static size_t trimmed(const char *s, size_t len)
{
	while (len && strchr(BLANKS, s[len - 1]))
		len--;
	return len;
}

static void read_key(const char *line, size_t max, struct settings_line *out)
{
	size_t name = span(line, "=:");

	out->why = key_fault(line, name, max);
	if (out->why) {
		out->kind = LINE_FAULT;
		return;
	}

	const char *value = line + name + 1;
	size_t len = span(value, "");
	size_t blanks = strspn(value, BLANKS);

	out->kind = LINE_KEY;
	out->name_len = trimmed(line, name);
	out->value = name + 1 + blanks;
	out->value_len = trimmed(value, len) - blanks;
	out->comment = value[len] ? name + 1 + len : 0;
}

void settings_line_read(const char *line, size_t max, struct settings_line *out)
{
	char buf[8];
	const char *bad = bad_character(line, buf);

	*out = (struct settings_line){ .kind = LINE_COMMENT };
	if (!is_comment(line) && is_header(line)) {
		read_header(line, bad, out);
	} else if (bad) {
		out->kind = LINE_GARBLED;
		out->why = xasprintf("%s in the line; remove it", bad);
	} else if (!is_comment(line)) {
		read_key(line, max, out);
	}
}

void settings_line_free(struct settings_line *l)
{
	free(l->why);
	*l = (struct settings_line){ 0 };
}
