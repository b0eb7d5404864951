/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * QEMU's command line as the wrapper rewrites it: a word a line, and behind an
 * empty line the run state. All mdevs on it are NVIDIA's.
 */
#include "cmdline.h"
#include "fuzz.h"
#include "machine.h"
#include "rewrite.h"
#include "runstate.h"

#define STATE	"\n\n{"

static void find_nvidia(const struct strlist *words, struct strlist *found)
{
	struct option o = { .next = 1 };

	while (cmdline_next_of(words, "device", &o)) {
		AUTO_VFIO_DEVICE struct vfio_device d = { 0 };

		if (o.value && vfio_device_read(o.value, &d) && *d.uuid)
			strlist_add(found, d.uuid);
	}
}

/* Whether all words of a are in b, in their order. */
static bool is_within(const struct strlist *a, const struct strlist *b)
{
	size_t k = 0;

	for (size_t i = 0; i < b->n && k < a->n; i++)
		k += !strcmp(a->s[k], b->s[i]);
	return k == a->n;
}

static bool is_same(const struct strlist *a, const struct strlist *b)
{
	return a->n == b->n && is_within(a, b);
}

static bool has_x_vga(const struct runstate *s)
{
	for (size_t i = 0; s && i < s->ndevices; i++)
		if (s->devices[i].x_vga)
			return true;
	return false;
}

static void judge(const struct strlist *words, const struct runstate *state)
{
	AUTO_STRLIST struct strlist once = { 0 }, twice = { 0 }, nvidia = { 0 }, nothing = { 0 };
	struct rewrite how = { .vmid = cmdline_vmid(words), .nvidia = &nvidia, .state = state };
	struct rewrite empty = { .vmid = how.vmid };

	must(rewrite(words, &empty, &nothing, NULL) == 0 && is_same(words, &nothing),
	     "without a promise and an mdev nothing is changed");
	find_nvidia(words, &nvidia);
	if (rewrite(words, &how, &once, NULL) < 0)
		return;
	must(has_x_vga(state) || is_within(words, &once), "all words are handed on");
	must(rewrite(&once, &how, &twice, NULL) == 0, "what was rewritten can be rewritten");
	must(is_same(&once, &twice), "to rewrite twice is to rewrite once");
}

FUZZ(text, len)
{
	const char *split = strstr(text, STATE);
	AUTO_FREE char *line = xstrndup(text, split ? (size_t)(split - text) : len);
	AUTO_STRLIST struct strlist words = { 0 };
	AUTO_RUNSTATE struct runstate s = { 0 };
	bool has_state = split && runstate_parse(split + 2, strlen(split + 2), &s) == 0;

	if (strlen(text) != len)
		return;
	fuzz_lines(line, &words);
	if (words.n)
		judge(&words, has_state && s.vmid ? &s : NULL);
}
