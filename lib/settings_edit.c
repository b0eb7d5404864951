/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "settings_edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "quote.h"
#include "settings.h"
#include "settings_file.h"
#include "settings_line.h"
#include "xalloc.h"

struct text_line {
	char *text;			/* without its end */
	const char *end;		/* "\n", "\r\n"; of the last one "\r" or "" too */
	struct conf_line is;
	bool gone;
};

/* The text in lines, some of which may go, and others come behind `at`. */
struct doc {
	bool bom;
	struct text_line *lines;
	size_t n;
	const char *eol;		/* for lines that are added */
	const char *tail;		/* what the text ends in instead of a newline, or NULL */
	size_t header, end;		/* the VM's section: end is behind it; header == n: there is none */
	struct strlist added;
	size_t at;			/* they come before this line */
};

static void doc_free(struct doc *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->lines[i].text);
		conf_line_free(&d->lines[i].is);
	}
	free(d->lines);
	strlist_free(&d->added);
}

#define AUTO_DOC __attribute__((cleanup(doc_free)))

static const char *line_end(const char *behind, size_t len)
{
	if (len == 2)
		return "\r\n";
	if (len == 1)
		return *behind == '\r' ? "\r" : "\n";
	return "";
}

static void doc_read(struct doc *d, const char *text, size_t len)
{
	const char *next = text, *end = text + len, *start;
	size_t n;

	d->bom = len >= strlen(CONF_BOM) && !memcmp(text, CONF_BOM, strlen(CONF_BOM));
	if (d->bom)
		next += strlen(CONF_BOM);
	d->eol = "\n";
	while ((start = conf_line_cut(&next, end, &n))) {
		struct text_line *l = GROW(d->lines, d->n);

		l->text = xstrndup(start, n);
		l->end = line_end(start + n, (size_t)(next - start) - n);
		settings_line_read(l->text, &l->is);
		if (strchr(l->end, '\n'))
			d->eol = l->end;
		else
			d->tail = l->end;
	}
	/* What ends in a lone CR would get a second one from any other end. */
	if (d->tail && *d->tail)
		d->eol = "\r\n";
}

static int fail_lost(const struct doc *d, unsigned int vmid, struct err *e)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->lines[i].is.kind == LINE_LOST)
			return fail(e, -EINVAL, "/" SETTINGS_PATH ":%zu: %s: it may be the section of vm %u",
				    i + 1, d->lines[i].is.why, vmid);
	return 0;
}

/* Find the VM's section. */
static int doc_section(struct doc *d, unsigned int vmid, struct err *e)
{
	bool found = false;

	d->header = d->end = d->n;
	for (size_t i = 0; i < d->n; i++) {
		const struct conf_line *l = &d->lines[i].is;

		if (!conf_line_is_header(l))
			continue;
		if (found && d->end == d->n)
			d->end = i;
		if (!settings_line_is_vm(l, vmid))
			continue;
		if (found)
			return fail(e, -EINVAL, "/" SETTINGS_PATH ":%zu: section [vm %u] is there already, in line %zu; put the lines of both into one",
				    i + 1, vmid, d->header + 1);
		found = true;
		d->header = i;
	}
	return found ? 0 : fail_lost(d, vmid, e);
}

static bool has_section(const struct doc *d)
{
	return d->header < d->n;
}

static bool is_key(const struct text_line *l, const char *key)
{
	return !l->gone && l->is.kind == LINE_KEY && strlen(key) == l->is.name_len &&
		!strncmp(l->text, key, l->is.name_len);
}

static bool has_value(const struct text_line *l, const char *value)
{
	return strlen(value) == l->is.value_len &&
		!strncmp(l->text + l->is.value, value, l->is.value_len);
}

/* --- one line --- */

/* Why a line that was made for key and value would not be read as that; NULL: it would. */
static char *misread(const struct text_line *l, const char *key, const char *value)
{
	if (l->is.why)
		return xstrdup(l->is.why);
	if (!is_key(l, key))
		return xasprintf("%s is no name of a key", QUOTED(key));
	if (has_value(l, value))
		return NULL;
	if (l->is.value_len < strlen(value) && l->is.comment)
		return xstrdup("';' behind a blank begins a comment");
	return xstrdup("blanks around a value are not kept");
}

/* Put a line's new text in, if it will be read as key and value. Takes text. */
static int line_set(struct text_line *l, char *text, const char *key, const char *value,
		    struct err *e)
{
	free(l->text);
	conf_line_free(&l->is);
	l->text = text;
	if (strlen(text) > SETTINGS_LINE_MAX) {
		fail(e, -E2BIG, "'%s' cannot be set to %s: the line would have %zu characters, and at most %d are read",
		     key, QUOTED(value), strlen(text), SETTINGS_LINE_MAX);
		err_hint(e, "shorten the value, or the comment behind it in /" SETTINGS_PATH);
		return -E2BIG;
	}
	settings_line_read(text, &l->is);

	AUTO_FREE char *why = misread(l, key, value);

	return why ? fail(e, -EINVAL, "'%s' cannot be set to %s: %s", key, QUOTED(value), why) : 0;
}

static int change_line(struct text_line *l, const char *key, const char *value, struct err *e)
{
	char *text = xasprintf("%.*s%s%s", (int)l->is.value, l->text, value,
			       l->text + l->is.value + l->is.value_len);

	return line_set(l, text, key, value, e);
}

static int add_line(struct doc *d, const char *key, const char *value, struct err *e)
{
	struct text_line l = { 0 };
	int rc = line_set(&l, xasprintf("%s = %s", key, value), key, value, e);

	if (rc < 0)
		free(l.text);
	else
		strlist_take(&d->added, l.text);
	conf_line_free(&l.is);
	return rc;
}

/* The comment behind the value becomes a line of its own. */
static void remove_line(struct text_line *l)
{
	if (!l->is.comment) {
		l->gone = true;
		return;
	}
	char *comment = xstrdup(l->text + l->is.comment);

	free(l->text);
	conf_line_free(&l->is);
	l->text = comment;
	settings_line_read(comment, &l->is);
}

/* --- the section --- */

static int change_key(struct doc *d, const struct setting *s, struct err *e)
{
	bool found = false;

	for (size_t i = d->header; i < d->end; i++) {
		struct text_line *l = &d->lines[i];
		int rc = 0;

		if (!is_key(l, s->key))
			continue;
		if (!s->value)
			remove_line(l);
		else if (!has_value(l, s->value))
			rc = change_line(l, s->key, s->value, e);
		if (rc < 0)
			return rc;
		found = true;
	}
	return found || !s->value ? 0 : add_line(d, s->key, s->value, e);
}

static size_t count_keys(const struct doc *d)
{
	size_t n = 0;

	for (size_t i = d->header; i < d->end; i++)
		n += !d->lines[i].gone && d->lines[i].is.kind != LINE_COMMENT &&
			i != d->header;
	return n;
}

/* Where new keys go: behind the last one of the section. */
static void place_added(struct doc *d, unsigned int vmid)
{
	AUTO_STRLIST struct strlist keys = { 0 };

	if (!d->added.n)
		return;
	if (has_section(d)) {
		d->at = d->header + 1;
		for (size_t i = d->header; i < d->end; i++)
			if (!d->lines[i].gone && d->lines[i].is.kind == LINE_KEY)
				d->at = i + 1;
		return;
	}
	keys = d->added;
	d->added = (struct strlist){ 0 };
	if (d->n)
		strlist_add(&d->added, "");
	strlist_take(&d->added, xasprintf("[vm %u]", vmid));
	for (size_t i = 0; i < keys.n; i++)
		strlist_add(&d->added, keys.s[i]);
	d->at = d->n;
}

/* A header whose last key is gone goes too, with the empty line before it. */
static void drop_section(struct doc *d)
{
	size_t first = d->header + 1;

	d->lines[d->header].gone = true;
	while (first < d->end && d->lines[first].gone)
		first++;
	/* That line parts a comment that stays from the section before. */
	if (first < d->end && *d->lines[first].text)
		return;
	if (d->header && !*d->lines[d->header - 1].text)
		d->lines[d->header - 1].gone = true;
}

/* --- back to text --- */

struct put {
	FILE *f;
	const char *end;	/* of the line before; NULL: there is none */
};

/* The end of a line is known once it is known whether another follows. */
static void put_line(struct put *p, const struct doc *d, const char *text, const char *end)
{
	if (p->end)
		fputs(strchr(p->end, '\n') ? p->end : d->eol, p->f);
	fputs(text, p->f);
	p->end = end;
}

static char *doc_text(const struct doc *d)
{
	char *text;
	size_t len;
	struct put p = { .f = xmemstream(&text, &len) };

	if (d->bom)
		fputs(CONF_BOM, p.f);
	for (size_t i = 0; i <= d->n; i++) {
		for (size_t j = 0; d->added.n && i == d->at && j < d->added.n; j++)
			put_line(&p, d, d->added.s[j], d->eol);
		if (i < d->n && !d->lines[i].gone)
			put_line(&p, d, d->lines[i].text, d->lines[i].end);
	}
	/* A text without a newline at its end keeps that way. */
	if (p.end)
		fputs(d->tail ? d->tail : p.end, p.f);
	fclose(p.f);
	return text;
}

/* A mark that is a fault where it stands would be passed over at the start of the file. */
static int check_mark(const struct doc *d, struct err *e)
{
	size_t i = 0;

	while (i < d->n && d->lines[i].gone)
		i++;
	if (d->bom || i == d->n || (d->added.n && d->at <= i) ||
	    strncmp(d->lines[i].text, CONF_BOM, strlen(CONF_BOM)))
		return 0;
	return fail(e, -EINVAL, "/" SETTINGS_PATH ":%zu: a byte order mark in the line; remove it", i + 1);
}

/* What stops the VM of this section, with the place; NULL: nothing. The caller frees it. */
static char *section_fault(const char *text, const char *file, unsigned int vmid)
{
	AUTO_SETTINGS struct settings s = { 0 };

	settings_parse(text, strlen(text), file, &s);
	for (size_t i = 0; i < s.n_vms; i++)
		if (s.vms[i].vmid == vmid)
			return take_ptr(s.vms[i].fault);
	return NULL;
}

/* Whether the key takes this value; the line itself is good. */
static int check_value(unsigned int vmid, const struct setting *s, struct err *e)
{
	static const char place[] = ":2: ";
	AUTO_FREE char *text = xasprintf("[vm %u]\n%s = %s\n", vmid, s->key, s->value);
	AUTO_FREE char *fault = section_fault(text, "", vmid);

	return fault ? fail(e, -EINVAL, "'%s' cannot be set to %s: %s", s->key, QUOTED(s->value),
			    fault + strlen(place)) : 0;
}

/* Whether the VM's section is read without a fault once it is changed. */
static int check_section(const char *before, const char *after, unsigned int vmid, struct err *e)
{
	AUTO_FREE char *then = section_fault(after, "/" SETTINGS_PATH, vmid);
	AUTO_FREE char *now = then ? section_fault(before, "/" SETTINGS_PATH, vmid) : NULL;

	if (!then)
		return 0;
	fail(e, -EINVAL, "section [vm %u] has a fault: %s", vmid, now ? now : then);
	err_hint(e, "mend that line first; nothing was changed");
	return -EINVAL;
}

static int doc_open(struct doc *d, const char *text, size_t len, unsigned int vmid, struct err *e)
{
	if (memchr(text, '\0', len))
		return fail(e, -EINVAL, "/" SETTINGS_PATH ": there is a NUL byte in it; write the file anew");
	doc_read(d, text, len);
	return doc_section(d, vmid, e);
}

int settings_edit_vm(const char *text, size_t len, unsigned int vmid,
		     const struct setting *s, size_t n, char **out, struct err *e)
{
	AUTO_DOC struct doc d = { 0 };
	bool sets = false;
	int rc = doc_open(&d, text, len, vmid, e);

	if (rc < 0)
		return rc;

	size_t keys = count_keys(&d);

	for (size_t i = 0; i < n; i++) {
		rc = change_key(&d, &s[i], e);
		if (rc == 0 && s[i].value)
			rc = check_value(vmid, &s[i], e);
		if (rc < 0)
			return rc;
		sets = sets || s[i].value;
	}
	place_added(&d, vmid);
	if (keys && !d.added.n && !count_keys(&d))
		drop_section(&d);
	rc = check_mark(&d, e);
	if (rc < 0)
		return rc;

	AUTO_FREE char *before = xstrndup(text, len);
	AUTO_FREE char *made = doc_text(&d);

	if (sets)
		rc = check_section(before, made, vmid, e);
	if (rc == 0)
		*out = take_ptr(made);
	return rc;
}

int settings_purge_vm(const char *text, size_t len, unsigned int vmid, char **out,
		      struct strlist *removed, size_t *comments, struct err *e)
{
	AUTO_DOC struct doc d = { 0 };
	int rc = doc_open(&d, text, len, vmid, e);

	if (rc < 0)
		return rc;

	AUTO_FREE char *before = xstrndup(text, len);

	rc = check_section(before, before, vmid, e);
	if (rc < 0)
		return rc;
	*comments = 0;
	for (size_t i = d.header + 1; i < d.end; i++) {
		struct text_line *l = &d.lines[i];

		if (l->is.kind == LINE_KEY) {
			strlist_take(removed, xstrndup(l->text, l->is.value + l->is.value_len));
			remove_line(l);
		}
		*comments += !l->gone && l->text[strspn(l->text, " \t")];
	}
	if (has_section(&d))
		drop_section(&d);
	rc = check_mark(&d, e);
	if (rc == 0)
		*out = doc_text(&d);
	return rc;
}
