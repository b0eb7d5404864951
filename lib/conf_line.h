/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One line of a file of ours, as settings.h has the grammar: what it is, and
 * where in it name and value stand. The files differ in their sections alone.
 * Pure.
 */
#ifndef CONF_LINE_H
#define CONF_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define CONF_BOM	"\xef\xbb\xbf"	/* passed over at the start of the file */
#define CONF_LINE_MAX	197		/* inih's INI_MAX_LINE less CR, LF and NUL (ini.h) */

/* The sections of a file besides [defaults]: [<word> <name>]. */
struct conf_sections {
	const char *const *words;
	size_t n;
	const char *forms;		/* for messages: "'[defaults]' or '[vm <vmid>]'" */
	/* What is wrong with a name, or NULL; the caller frees it. NULL: any will do. */
	char *(*check)(const char *line, const char *name);
};

enum line_kind {
	LINE_COMMENT,		/* or nothing but blanks */
	LINE_DEFAULTS,		/* [defaults] */
	LINE_SECTION,		/* [<word> <name>] */
	LINE_LOST,		/* a header that cannot be read */
	LINE_KEY,		/* name = value */
	LINE_GARBLED,		/* has a character that no line may have */
	LINE_FAULT,		/* none of these */
};

struct conf_line {
	enum line_kind kind;
	size_t section;			/* LINE_SECTION: which of the words */
	char *name;			/* LINE_SECTION: what stands behind it; may be empty */
	char *why;			/* LINE_LOST, LINE_GARBLED, LINE_FAULT: what is wrong, without place */
	size_t name_len;		/* LINE_KEY: the name begins the line */
	size_t value, value_len;	/* LINE_KEY: without the blanks around it */
	size_t comment;			/* LINE_KEY: of the ';' behind the value, or 0 */
};

/*
 * Take the next line off a text: from *next up to its newline or end. Returns
 * where it starts; *len is without the newline and a CR before that, and *next
 * is behind it. NULL: there are no more.
 */
const char *conf_line_cut(const char **next, const char *end, size_t *len);

/*
 * Read a line, without its end. A key line longer than max characters is a
 * fault. Release with conf_line_free().
 */
void conf_line_read(const char *line, size_t max, const struct conf_sections *sections,
		    struct conf_line *out);
void conf_line_free(struct conf_line *l);

/* Whether the line is a section's header, be it one that cannot be read. */
static inline bool conf_line_is_header(const struct conf_line *l)
{
	return l->kind == LINE_DEFAULTS || l->kind == LINE_SECTION || l->kind == LINE_LOST;
}

#define AUTO_CONF_LINE __attribute__((cleanup(conf_line_free)))

#endif
