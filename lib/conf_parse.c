/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "conf_parse.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "quote.h"
#include "xalloc.h"

/* --- faults --- */

__attribute__((format(printf, 3, 0)))
static char *at_line(const struct conf_parser *p, unsigned int line, const char *fmt, va_list ap)
{
	AUTO_FREE char *what = xvasprintf(fmt, ap);

	return xasprintf("%s:%u: %s", p->file, line, what);
}

/* The first fault of a section stays. */
__attribute__((format(printf, 4, 0)))
static void note(struct conf_parser *p, char **slot, unsigned int line, const char *fmt, va_list ap)
{
	if (!*slot)
		*slot = at_line(p, line, fmt, ap);
}

void conf_fault(struct conf_parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note(p, p->fault, p->text.line, fmt, ap);
	va_end(ap);
}

void conf_fault_at(struct conf_parser *p, unsigned int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note(p, p->fault, line, fmt, ap);
	va_end(ap);
}

void conf_judge(struct conf_parser *p, char *why)
{
	if (why)
		conf_fault(p, "%s", why);
	free(why);
}

/* --- keys --- */

bool conf_misplaced_key(struct conf_parser *p, const char *name, const struct conf_known *of,
			const char *place)
{
	for (size_t i = 0; i < of->n; i++)
		if (!strcmp(name, of->names[i])) {
			conf_fault(p, "'%s' is a key of %s", name, place);
			return true;
		}
	return false;
}

void conf_unknown_key(struct conf_parser *p, const char *name, const struct conf_known *own)
{
	const char *near = conf_keys_near(name, own);

	if (near)
		conf_fault(p, "%s is no key known to this version of pve-vgpu; did you mean '%s'?",
			   QUOTED(name), near);
	else
		conf_fault(p, "%s is no key known to this version of pve-vgpu; remove the line",
			   QUOTED(name));
}

static void on_key(void *arg, const char *name, const char *value)
{
	struct conf_parser *p = arg;
	unsigned int line = conf_keys_add(&p->keys, name, p->text.line);

	if (line)
		conf_fault(p, "'%s' is there already, in line %u; remove one of the two", name, line);
	else
		p->key(p->arg, name, value);
}

/* --- sections --- */

void conf_begin_section(struct conf_parser *p, char **fault)
{
	p->scope = CONF_SECTION;
	p->fault = fault;
}

void conf_repeat_section(struct conf_parser *p, char **fault, unsigned int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);

	AUTO_FREE char *name = xvasprintf(fmt, ap);

	va_end(ap);
	p->fault = fault;
	conf_fault(p, "section [%s] is there already, in line %u; put the lines of both into one", name, line);
	p->scope = CONF_REPEATED;
}

void conf_lose_section(struct conf_parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);

	AUTO_FREE char *why = at_line(p, p->text.line, fmt, ap);
	char *msg = xasprintf("%s: what follows is not read", why);

	va_end(ap);
	p->scope = CONF_LOST;
	if (*p->lost)
		strlist_take(p->warnings, msg);
	else
		*p->lost = msg;
}

static void begin_defaults(struct conf_parser *p)
{
	if (p->defaults_line) {
		conf_repeat_section(p, p->fault_of_all, p->defaults_line, "defaults");
		return;
	}
	p->defaults_line = p->text.line;
	p->scope = CONF_DEFAULTS;
}

static void end_section(struct conf_parser *p)
{
	if (p->end && (p->scope == CONF_DEFAULTS || p->scope == CONF_SECTION))
		p->end(p->arg);
	conf_keys_clear(&p->keys);
}

/* A header; false if it cannot be read, and the section is lost. */
static bool begin_section(struct conf_parser *p, const struct conf_line *l)
{
	end_section(p);
	p->section = l->section;
	p->fault = p->fault_of_all;
	if (l->kind == LINE_DEFAULTS)
		begin_defaults(p);
	else if (l->kind == LINE_LOST)
		conf_lose_section(p, "%s", l->why);
	else
		p->begin(p->arg, l);
	return p->scope != CONF_LOST;
}

/* --- lines --- */

static bool check_line(void *arg, const char *line, size_t max)
{
	struct conf_parser *p = arg;
	AUTO_CONF_LINE struct conf_line l = { 0 };

	conf_line_read(line, max, p->sections, &l);
	if (conf_line_is_header(&l))
		return begin_section(p, &l) && strlen(line) <= max;
	if (p->scope == CONF_LOST || p->scope == CONF_REPEATED || l.kind == LINE_COMMENT)
		return false;
	if (p->scope == CONF_NONE && l.kind != LINE_GARBLED)
		conf_fault(p, "%s stands before any section; put %s above it", QUOTED(line),
			   p->sections->forms);
	else if (l.why)
		conf_fault(p, "%s", l.why);
	else
		return true;
	return false;
}

/* No section is sure to be whole. */
static void nul_byte(void *arg)
{
	struct conf_parser *p = arg;

	p->fault = p->fault_of_all;
	conf_fault(p, "NUL byte in the line; write the file anew");
	p->scope = CONF_LOST;
}

void conf_parse(struct conf_parser *p, const char *text, size_t len)
{
	int rc;

	p->fault = p->fault_of_all;
	p->text = (struct conf_text){ .see = check_line, .nul = nul_byte, .key = on_key, .arg = p };
	rc = conf_text_read(&p->text, text, len);
	if (rc != 0 && !*p->fault_of_all)
		*p->fault_of_all = rc > 0 ? xasprintf("%s:%d: the line cannot be read", p->file, rc) :
					    xasprintf("%s: out of memory", p->file);
	end_section(p);
}
