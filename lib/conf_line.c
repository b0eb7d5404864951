/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "conf_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "quote.h"
#include "xalloc.h"

#define BLANKS	" \t"

const char *conf_line_cut(const char **next, const char *end, size_t *len)
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
	if (strstr(line, CONF_BOM))
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
static bool is_header(const char *line, const struct conf_sections *sections)
{
	const char *word = line + strspn(line, BLANKS);
	size_t name = strcspn(line, "=");

	if (strcspn(line, "[]") < name)
		return true;
	if (line[name])
		return false;
	for (size_t i = 0; i < sections->n; i++)
		if (!strncasecmp(word, sections->words[i], strlen(sections->words[i])))
			return true;
	return !strncasecmp(word, "default", 7);
}

static bool is_comment(const char *line)
{
	line += strspn(line, BLANKS);
	return !*line || *line == ';' || *line == '#';
}

/* "vm 100": which word, and where the name behind it begins; NULL: no section of this file. */
static const char *section_of(const char *name, const struct conf_sections *sections, size_t *which)
{
	for (size_t i = 0; i < sections->n; i++) {
		size_t len = strlen(sections->words[i]);

		if (strncmp(name, sections->words[i], len) || !strchr(BLANKS, name[len]))
			continue;
		*which = i;
		return name + len + strspn(name + len, BLANKS);
	}
	return NULL;
}

static void read_header(const char *line, const char *bad, const struct conf_sections *sections,
			struct conf_line *out)
{
	const char *close = strchr(line, ']');
	AUTO_FREE char *text = *line == '[' && close ?
		xstrndup(line + 1, (size_t)(close - line - 1)) : NULL;
	const char *name = text ? section_of(text, sections, &out->section) : NULL;

	out->kind = LINE_LOST;
	if (bad)
		out->why = xasprintf("%s in a section header; remove it", bad);
	else if (!text || !is_tail(close + 1) || (strcmp(text, "defaults") && !name))
		out->why = xasprintf("%s is no section; write %s", QUOTED(line), sections->forms);
	else if (!name)
		out->kind = LINE_DEFAULTS;
	else {
		out->name = xstrdup(name);
		out->why = sections->check ? sections->check(line, name) : NULL;
		out->kind = out->why ? LINE_LOST : LINE_SECTION;
	}
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

	/* A ';' right behind the '=' is one to inih; no value is to depend on a blank that is not there. */
	if (blanks >= len || value[blanks] == ';')
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

static void read_key(const char *line, size_t max, struct conf_line *out)
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

void conf_line_read(const char *line, size_t max, const struct conf_sections *sections,
		    struct conf_line *out)
{
	char buf[8];
	const char *bad = bad_character(line, buf);

	*out = (struct conf_line){ .kind = LINE_COMMENT };
	if (!is_comment(line) && is_header(line, sections)) {
		read_header(line, bad, sections, out);
	} else if (bad) {
		out->kind = LINE_GARBLED;
		out->why = xasprintf("%s in the line; remove it", bad);
	} else if (!is_comment(line)) {
		read_key(line, max, out);
	}
}

void conf_line_free(struct conf_line *l)
{
	free(l->name);
	free(l->why);
	*l = (struct conf_line){ 0 };
}
