/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A VM's args: split into words, and our units put in and taken out. */
#include <ctype.h>

#include "args_unit.h"
#include "fuzz.h"
#include "split_args.h"

#define VMID	100
#define UUID	"2d1a7c3e-5b0f-4c55-9d6e-0a1b2c3d4e5f"

static char *quoted(const struct arg_words *l)
{
	AUTO_STRLIST struct strlist all = { 0 };

	for (size_t i = 0; i < l->n; i++)
		strlist_take(&all, args_quote(l->w[i].text));
	return strlist_join(&all, " ");
}

static void judge_words(const char *args, const struct arg_words *l)
{
	AUTO_FREE char *once = quoted(l);
	AUTO_ARG_WORDS struct arg_words again = { 0 };

	must(split_args(once, &again, NULL) == 0 && again.n == l->n, "quoted words are as many words");
	for (size_t i = 0; i < l->n; i++) {
		must_equal(again.w[i].text, l->w[i].text, "split of quote is the word");
		must(l->w[i].from < l->w[i].to && l->w[i].to <= strlen(args), "a word has its place");
		must(!i || l->w[i - 1].to < l->w[i].from, "words are in their order");
	}
}

static char *write_units(const char *args, const struct qemu_device *d, size_t n, const char *uuid)
{
	char *out = NULL;

	return args_units_write(args, VMID, d, n, uuid, &out, NULL) == 0 ? out : NULL;
}

/* The VM's own words come first, each as it was. */
static void judge_own(const char *set, const struct arg_words *own)
{
	AUTO_ARG_WORDS struct arg_words all = { 0 };

	must(split_args(set, &all, NULL) == 0 && all.n > own->n, "units are words behind the VM's own");
	for (size_t i = 0; i < own->n; i++)
		must_equal(all.w[i].text, own->w[i].text, "the VM's own words stay");
	must_equal(all.w[own->n].text, "-device", "behind them there is nothing but units");
}

static void judge_units(const char *args, const struct arg_words *own)
{
	struct qemu_device d[] = { { .index = 0 }, { .index = 4, .slot = PCI_SLOT_EXPRESS, .ramfb = true } };

	for (size_t i = 0; i < ARRAY_SIZE(d); i++)
		vgpu_pve_uuid(VMID, d[i].index, d[i].uuid);

	AUTO_FREE char *set = write_units(args, d, ARRAY_SIZE(d), UUID);

	if (!set)
		return;

	AUTO_FREE char *twice = write_units(set, d, ARRAY_SIZE(d), UUID);
	AUTO_FREE char *one = NULL;

	must_equal(twice, set, "set twice is set once");
	must(args_unit_there(set, VMID, 0) && args_unit_there(set, VMID, 4), "what was set is there");
	must(args_unit_remove(set, VMID, 4, &one, NULL) == 0 && !args_unit_there(one, VMID, 4) &&
	     args_unit_there(one, VMID, 0), "a unit is removed alone");
	if (args_may_have_unit(args, VMID))
		return;

	AUTO_FREE char *unset = write_units(set, NULL, 0, NULL);

	judge_own(set, own);
	if (own->n)
		must_equal(unset, args, "unset of set is the args as they were");
}

/* As vmconf hands args on. */
static bool is_trimmed(const char *text)
{
	size_t len = strlen(text);

	return len && !isspace((unsigned char)*text) && !isspace((unsigned char)text[len - 1]);
}

FUZZ(text, len)
{
	AUTO_ARG_WORDS struct arg_words l = { 0 };

	if (strlen(text) != len || !is_trimmed(text) || split_args(text, &l, NULL) < 0)
		return;
	args_give_uuid(text);
	judge_words(text, &l);
	judge_units(text, &l);
}
