/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "config_change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "quote.h"
#include "xalloc.h"

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static void add(struct config_changes *l, enum change_kind kind, const char *key,
		const char *value)
{
	struct config_change *new = GROW(l->c, l->n);

	*new = (struct config_change){
		.kind = kind, .key = xstrdup(key), .want = value ? xstrdup(value) : NULL,
	};
}

void config_want(struct config_changes *l, const struct vm_file *vm, const char *key,
		 const char *value)
{
	if (same(vm_file_next(vm, key), value))
		return;
	if (pending_of(&vm->pending, key) && same(vm_file_now(vm, key), value))
		add(l, CHANGE_REVERT, key, value);
	else
		add(l, value ? CHANGE_SET : CHANGE_DELETE, key, value);
}

static bool is_ascii(const char *text)
{
	while (*text && (unsigned char)*text < 0x80)
		text++;
	return !*text;
}

int config_check(const struct config_changes *l, unsigned int vmid, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct config_change *c = &l->c[i];

		if (c->kind != CHANGE_SET || is_ascii(c->want))
			continue;
		fail(e, -EINVAL, "%s cannot be set to %s: it has a character that is not ASCII, and PVE's tools would write another in its place",
		     c->key, QUOTED(c->want));
		err_hint(e, "write it without that, where it stands: 'qm config %u', or was-hostpci<N> and next-hook in [vm %u] of "
			 "/etc/pve/pve-vgpu.conf; a mode other than args leaves args alone", vmid, vmid);
		return -EINVAL;
	}
	return 0;
}

static void add_keys(const struct config_changes *l, enum change_kind kind, const char *option,
		     struct strlist *words)
{
	AUTO_STRLIST struct strlist keys = { 0 };

	for (size_t i = 0; i < l->n; i++)
		if (l->c[i].kind == kind)
			strlist_add(&keys, l->c[i].key);
	if (!keys.n)
		return;
	strlist_add(words, option);
	strlist_take(words, strlist_join(&keys, ","));
}

void config_words(const struct config_changes *l, const char *digest, struct strlist *words)
{
	strlist_add(words, "--digest");
	strlist_add(words, digest);
	for (size_t i = 0; i < l->n; i++) {
		if (l->c[i].kind != CHANGE_SET)
			continue;
		strlist_take(words, xasprintf("--%s", l->c[i].key));
		strlist_add(words, l->c[i].want);
	}
	add_keys(l, CHANGE_DELETE, "--delete", words);
	add_keys(l, CHANGE_REVERT, "--revert", words);
}

void config_changes_free(struct config_changes *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->c[i].key);
		free(l->c[i].want);
	}
	free(take_ptr(l->c));
	l->n = 0;
}
