/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "args_unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "quote.h"
#include "split_args.h"
#include "xalloc.h"

/* The words of a unit, and of the -uuid behind it: up to, not with, `to`. */
struct unit {
	unsigned int index;
	size_t from, to;
};

struct found {
	const char *args;	/* what they are words of */
	struct arg_words words;
	struct unit *units;
	size_t n;
};

static void found_free(struct found *f)
{
	arg_words_free(&f->words);
	free(f->units);
}

#define AUTO_FOUND __attribute__((cleanup(found_free)))

static bool is_word(const struct arg_words *l, size_t i, const char *text)
{
	return i < l->n && !strcmp(l->w[i].text, text);
}

/* Whether a device's text is one that `set` has made for this index. */
static bool is_device(const char *text, unsigned int vmid, unsigned int index)
{
	char uuid[UUID_TEXT_LEN];

	vgpu_pve_uuid(vmid, index, uuid);
	for (int ramfb = 0; ramfb < 2; ramfb++) {
		AUTO_FREE char *head = xasprintf("vfio-pci%s,sysfsdev=/sys/bus/mdev/devices/%s,id=hostpci%u,",
						 ramfb ? "-nohotplug" : "", uuid, index);

		if (!strncmp(text, head, strlen(head)))
			return true;
	}
	return false;
}

/* Whether words are written as `set` writes them, without quotes. What an admin has written in another way is the admin's. */
static bool is_plain(const struct found *f, size_t from, size_t to)
{
	for (; from < to; from++) {
		const struct arg_word *w = &f->words.w[from];

		if (strlen(w->text) != w->to - w->from || strncmp(f->args + w->from, w->text, w->to - w->from) != 0)
			return false;
	}
	return true;
}

static bool is_root_port(const struct found *f, size_t i, unsigned int index)
{
	AUTO_FREE char *port = pci_slot_root_port(index, PCI_SLOT_EXPRESS);

	return port && is_word(&f->words, i, "-device") && is_word(&f->words, i + 1, port) && is_plain(f, i, i + 2);
}

static void find(struct found *f, unsigned int vmid)
{
	const struct arg_words *l = &f->words;

	for (size_t i = 0; i + 1 < l->n; i++) {
		unsigned int index = 0;

		if (!is_word(l, i, "-device") || !is_plain(f, i, i + 2))
			continue;
		while (index < PCI_SLOT_MAX && !is_device(l->w[i + 1].text, vmid, index))
			index++;
		if (index == PCI_SLOT_MAX)
			continue;

		struct unit *u = GROW(f->units, f->n);

		*u = (struct unit){ .index = index, .from = i, .to = i + 2 };
		if (i >= 2 && is_root_port(f, i - 2, index))
			u->from = i - 2;
		if (is_word(l, i + 2, "-uuid") && i + 3 < l->n && is_plain(f, i + 2, i + 4))
			u->to = i + 4;
	}
}

static int read_args(const char *args, unsigned int vmid, struct found *f, struct err *e)
{
	int rc = split_args(args, &f->words, e);

	f->args = args;
	if (rc == 0)
		find(f, vmid);
	return rc;
}

static bool in_unit(const struct found *f, size_t word)
{
	for (size_t i = 0; i < f->n; i++)
		if (word >= f->units[i].from && word < f->units[i].to)
			return true;
	return false;
}

static bool has_own_uuid(const struct found *f)
{
	for (size_t i = 0; i < f->words.n; i++)
		if (!in_unit(f, i) &&
		    (is_word(&f->words, i, "-uuid") || is_word(&f->words, i, "--uuid")))
			return true;
	return false;
}

/* What the units are to be, in words. */
static void wanted(const struct found *f, const struct qemu_device *devices, size_t n,
		   const char *uuid, struct strlist *words)
{
	for (size_t i = 0; i < n; i++)
		qemu_device_words(&devices[i], words);
	if (n && uuid && !has_own_uuid(f)) {
		strlist_add(words, "-uuid");
		strlist_add(words, uuid);
	}
}

/* Whether the args have exactly these words as units, one behind the other. */
static bool is_there(const struct found *f, const struct strlist *words)
{
	size_t first = f->n ? f->units[0].from : 0;

	for (size_t i = 1; i < f->n; i++)
		if (f->units[i].from != f->units[i - 1].to)
			return false;
	if ((f->n ? f->units[f->n - 1].to - first : 0) != words->n)
		return false;
	for (size_t i = 0; i < words->n; i++)
		if (!is_word(&f->words, first + i, words->s[i]))
			return false;
	return true;
}

/* Words that are not ours and would bring the same mdev or id again. */
static int check_foreign(const struct found *f, const struct qemu_device *d, struct err *e)
{
	AUTO_FREE char *id = xasprintf("id=hostpci%u", d->index);

	for (size_t i = 0; i < f->words.n; i++) {
		const char *text = f->words.w[i].text;
		const char *at = strstr(text, id);
		bool same_id = at && at > text && at[-1] == ',' && strcspn(at, ",") == strlen(id);

		if (in_unit(f, i))
			continue;
		if (!same_id && !(*d->uuid && strstr(text, d->uuid)))
			continue;
		fail(e, -EEXIST, "args of the VM's config have a device for hostpci%u already: %s",
		     d->index, QUOTED(text));
		err_hint(e, "take it out of args with qm set --args, or choose another --index");
		return -EEXIST;
	}
	return 0;
}

/* The args without our units: each goes with the blanks before it, one that nothing is before with those behind it. */
static char *without(const char *args, const struct found *f)
{
	char *text;
	size_t len, at = 0;
	bool any = false;
	FILE *out = xmemstream(&text, &len);

	for (size_t i = 0; i < f->n; i++) {
		size_t from = f->units[i].from, to = f->units[i].to;
		size_t begin = from ? f->words.w[from - 1].to : 0;
		size_t end = f->words.w[to - 1].to;

		if (begin > at) {
			fwrite(args + at, 1, begin - at, out);
			any = true;
		}
		at = !any && to < f->words.n ? f->words.w[to].from : end;
	}
	fputs(args + at, out);
	fclose(out);
	if (!*text)
		free(take_ptr(text));
	return text;
}

static char *append(const char *rest, const struct strlist *words)
{
	AUTO_STRLIST struct strlist quoted = { 0 };

	for (size_t i = 0; i < words->n; i++)
		strlist_take(&quoted, args_quote(words->s[i]));

	AUTO_FREE char *units = strlist_join(&quoted, " ");

	return rest ? xasprintf("%s %s", rest, units) : take_ptr(units);
}

int args_units_write(const char *args, unsigned int vmid, const struct qemu_device *devices,
		     size_t n, const char *uuid, char **out, struct err *e)
{
	AUTO_FOUND struct found f = { 0 };
	AUTO_STRLIST struct strlist words = { 0 };
	int rc = read_args(args, vmid, &f, e);

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = check_foreign(&f, &devices[i], e);
	if (rc < 0)
		return rc;
	wanted(&f, devices, n, uuid, &words);
	if (is_there(&f, &words)) {
		*out = args ? xstrdup(args) : NULL;
		return 0;
	}

	/* Args without a word may still have text: "0", which would become a word before others. */
	char *rest = args && (f.words.n || !words.n) ? without(args, &f) : NULL;

	if (words.n) {
		*out = append(rest, &words);
		free(rest);
	} else {
		*out = rest;
	}
	return 0;
}

int args_unit_remove(const char *args, unsigned int vmid, unsigned int index, char **out,
		     struct err *e)
{
	AUTO_FOUND struct found f = { 0 };
	size_t n = 0, left;
	int rc = read_args(args, vmid, &f, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < f.n; i++)
		if (f.units[i].index != index)
			n++;
	left = f.n - n;
	/* The -uuid stays as long as there is a unit that it is for. */
	for (size_t i = 0, k = 0; i < f.n; i++) {
		struct unit u = f.units[i];

		if (u.index != index)
			continue;
		if (n && u.to - u.from > 2 && is_word(&f.words, u.to - 2, "-uuid"))
			u.to -= 2;
		f.units[k++] = u;
	}
	f.n = left;
	*out = args ? without(args, &f) : NULL;
	return 0;
}

bool args_may_have_unit(const char *args, unsigned int vmid)
{
	for (unsigned int i = 0; args && i < PCI_SLOT_MAX; i++) {
		char uuid[UUID_TEXT_LEN];

		vgpu_pve_uuid(vmid, i, uuid);
		if (strstr(args, uuid))
			return true;
	}
	return false;
}

bool args_unit_there(const char *args, unsigned int vmid, unsigned int index)
{
	AUTO_FOUND struct found f = { 0 };

	if (read_args(args, vmid, &f, NULL) < 0)
		return false;
	for (size_t i = 0; i < f.n; i++)
		if (f.units[i].index == index)
			return true;
	return false;
}
