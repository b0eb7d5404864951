/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the parsers of our files share: what a fault is told as and whom it
 * concerns, the lines that are passed over, keys and sections that come twice or
 * are out of place. The parser of a file brings its sections and keys. Pure.
 */
#ifndef CONF_PARSE_H
#define CONF_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf_keys.h"
#include "conf_line.h"
#include "conf_text.h"
#include "strlist.h"

enum conf_scope {
	CONF_NONE,		/* before the first section */
	CONF_DEFAULTS,
	CONF_SECTION,		/* one that conf_begin_section() has begun */
	CONF_REPEATED,		/* the fault is noted, the lines are passed over */
	CONF_LOST,		/* behind a header that cannot be read */
};

struct conf_parser {
	/* Of the file: */
	const char *file;		/* its name for messages */
	const struct conf_sections *sections;
	/* A header [<word> <name>]; ends in conf_begin_section(), _repeat_ or _lose_. */
	void (*begin)(void *arg, const struct conf_line *l);
	/* The end of [defaults] or of a section that was begun; may be NULL. */
	void (*end)(void *arg);
	/* A key of [defaults] or of a section, there for the first time. */
	void (*key)(void *arg, const char *name, const char *value);
	void *arg;
	/* Where faults go: those of all, the first lost header, the other ones. */
	char **fault_of_all, **lost;
	struct strlist *warnings;

	/* Where the reading is: */
	struct conf_text text;
	enum conf_scope scope;
	size_t section;			/* CONF_SECTION: which of the words */
	char **fault;			/* of this section */
	unsigned int defaults_line;	/* 0: none yet */
	struct conf_keys keys;		/* of this section */
};

/*
 * Read len bytes of text; the caller has set the file's part of *p, and what the
 * faults go to is NULL or empty. Faults are finished lines with file and line,
 * owned by who owns their place.
 */
void conf_parse(struct conf_parser *p, const char *text, size_t len);

/* Note a fault of this section, in this line or another; the first one stays. */
void conf_fault(struct conf_parser *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void conf_fault_at(struct conf_parser *p, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Note what a value's reader has against it, or NULL; why is freed. */
void conf_judge(struct conf_parser *p, char *why);

/* The header is good; faults of its section go to *fault, which stays where it is until the next header. */
void conf_begin_section(struct conf_parser *p, char **fault);

/* The section, "vm 100", is there already, in that line: a fault of the first one. */
void conf_repeat_section(struct conf_parser *p, char **fault, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The header cannot be read, for the reason given. */
void conf_lose_section(struct conf_parser *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Whether a key is one of those; then the fault is noted, with where they have their place. */
bool conf_misplaced_key(struct conf_parser *p, const char *name, const struct conf_known *of,
			const char *place);

/* A key that nobody knows; own are this section's. */
void conf_unknown_key(struct conf_parser *p, const char *name, const struct conf_known *own);

#endif
