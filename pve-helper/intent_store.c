/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "intent_store.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "settings.h"
#include "settings_line.h"
#include "settings_store.h"
#include "strlist.h"
#include "xalloc.h"

/* --- the keys of a section, as they stand --- */

struct section_key {
	char *key, *value;
};

struct section {
	struct section_key *k;
	size_t n;
};

static void section_free(struct section *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->k[i].key);
		free(s->k[i].value);
	}
	free(s->k);
}

#define AUTO_SECTION __attribute__((cleanup(section_free)))

static void section_read(const char *text, size_t len, unsigned int vmid, struct section *out)
{
	const char *next = text, *end = text + len, *start;
	bool inside = false;
	size_t n;

	if (len >= strlen(CONF_BOM) && !memcmp(text, CONF_BOM, strlen(CONF_BOM)))
		next += strlen(CONF_BOM);
	while ((start = conf_line_cut(&next, end, &n))) {
		AUTO_CONF_LINE struct conf_line l = { 0 };
		AUTO_FREE char *line = xstrndup(start, n);

		settings_line_read(line, &l);
		if (conf_line_is_header(&l))
			inside = settings_line_is_vm(&l, vmid);
		if (!inside || l.kind != LINE_KEY)
			continue;

		struct section_key *k = GROW(out->k, out->n);

		k->key = xstrndup(line, l.name_len);
		k->value = xstrndup(line + l.value, l.value_len);
	}
}

static const char *section_value(const struct section *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->k[i].key, key))
			return s->k[i].value;
	return NULL;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

/* --- the edit --- */

int intent_edit_text(const struct intent_edit *edit, const char *text, size_t len, char **out,
		     struct err *e)
{
	AUTO_STRLIST struct strlist gone = { 0 };
	AUTO_FREE char *empty = NULL;
	size_t comments;

	if (edit->afresh) {
		int rc = settings_purge_vm(text, len, edit->vmid, &empty, &gone, &comments, e);

		if (rc < 0)
			return rc;
		text = empty;
		len = strlen(empty);
	}
	return settings_edit_vm(text, len, edit->vmid, edit->s, edit->n, out, e);
}

/* --- what takes it back --- */

static struct intent_undo_key *undo_key(const struct intent_undo *u, const char *key)
{
	for (size_t i = 0; i < u->n; i++)
		if (!strcmp(u->k[i].key, key))
			return &u->k[i];
	return NULL;
}

static void note(struct intent_undo *u, const char *key, const char *before, const char *after)
{
	struct intent_undo_key *k = undo_key(u, key);

	if (k) {
		free(k->after);
		k->after = copy(after);
		return;
	}
	if (same(before, after))
		return;
	k = GROW(u->k, u->n);
	*k = (struct intent_undo_key){ xstrdup(key), copy(before), copy(after) };
}

void intent_diff(const char *before, size_t len, const char *after, unsigned int vmid,
		 struct intent_undo *u)
{
	AUTO_SECTION struct section old = { 0 }, new = { 0 };

	*u = (struct intent_undo){ .vmid = vmid };
	section_read(before, len, vmid, &old);
	section_read(after, strlen(after), vmid, &new);
	for (size_t i = 0; i < old.n; i++)
		note(u, old.k[i].key, old.k[i].value, section_value(&new, old.k[i].key));
	for (size_t i = 0; i < new.n; i++)
		if (!section_value(&old, new.k[i].key))
			note(u, new.k[i].key, NULL, new.k[i].value);
}

struct store {
	const struct intent_edit *edit;
	struct intent_undo found;	/* of the text that the edit was last made on, with both texts */
};

static bool same_sections(const struct section *a, const struct section *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!same(section_value(b, a->k[i].key), a->k[i].value))
			return false;
	return true;
}

/* What was planned counts for the section that was read alone: another node may have been at work. */
static int check_read(const struct intent_edit *edit, const char *text, size_t len, struct err *e)
{
	AUTO_SECTION struct section then = { 0 }, now = { 0 };

	section_read(edit->read, edit->read_len, edit->vmid, &then);
	section_read(text, len, edit->vmid, &now);
	if (same_sections(&then, &now))
		return 0;
	return fail(e, -ESTALE, "[vm %u] in /etc/pve/pve-vgpu.conf was changed meanwhile", edit->vmid);
}

static int make_edit(void *arg, const char *text, size_t len, char **out, struct err *e)
{
	struct store *s = arg;
	int rc = check_read(s->edit, text, len, e);

	if (rc == 0)
		rc = intent_edit_text(s->edit, text, len, out, e);
	if (rc < 0)
		return rc;
	intent_undo_free(&s->found);
	intent_diff(text, len, *out, s->edit->vmid, &s->found);
	s->found.text = xstrndup(text, len);
	s->found.made = xstrdup(*out);
	if (strlen(*out) == len && !memcmp(*out, text, len))
		free(take_ptr(*out));
	return 0;
}

int intent_store(const struct root *r, const struct intent_edit *edit, struct intent_undo *undo,
		 struct err *e)
{
	struct store s = { .edit = edit };
	int rc = settings_change(r, make_edit, &s, e);

	undo->vmid = edit->vmid;
	if (rc == 0) {
		bool first = !undo->n;

		free(undo->text);
		free(undo->made);
		undo->text = first ? take_ptr(s.found.text) : NULL;
		undo->made = first ? take_ptr(s.found.made) : NULL;
	}
	for (size_t i = 0; i < s.found.n && rc == 0; i++)
		note(undo, s.found.k[i].key, s.found.k[i].before, s.found.k[i].after);
	intent_undo_free(&s.found);
	return rc;
}

static int make_undo(void *arg, const char *text, size_t len, char **out, struct err *e)
{
	const struct intent_undo *u = arg;
	AUTO_SECTION struct section now = { 0 };
	AUTO_FREE struct setting *back = xcalloc(u->n + 1, sizeof(*back));
	size_t n = 0;

	if (u->made && strlen(u->made) == len && !memcmp(u->made, text, len)) {
		*out = xstrdup(u->text);
		return 0;
	}
	section_read(text, len, u->vmid, &now);
	for (size_t i = 0; i < u->n; i++)
		if (same(section_value(&now, u->k[i].key), u->k[i].after))
			back[n++] = (struct setting){ u->k[i].key, u->k[i].before };
	return n ? settings_edit_vm(text, len, u->vmid, back, n, out, e) : 0;
}

int intent_take_back(const struct root *r, const struct intent_undo *undo, struct err *e)
{
	/* make_undo() does not write to it. */
	return undo->n ? settings_change(r, make_undo, (void *)(uintptr_t)undo, e) : 0;
}

void intent_undo_free(struct intent_undo *u)
{
	for (size_t i = 0; i < u->n; i++) {
		free(u->k[i].key);
		free(u->k[i].before);
		free(u->k[i].after);
	}
	free(take_ptr(u->k));
	free(take_ptr(u->text));
	free(take_ptr(u->made));
	u->n = 0;
}
