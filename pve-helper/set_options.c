/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "set_options.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "options.h"
#include "parse.h"
#include "quote.h"
#include "settings_value.h"
#include "xalloc.h"

enum {
	OPT_INDEX = 512, OPT_GPU, OPT_PLACEMENT, OPT_PARAMS, OPT_MODE, OPT_DISPLAY,
	OPT_X_VGA, OPT_NO_X_VGA, OPT_PCIE, OPT_NO_PCIE, OPT_RAMFB, OPT_NO_RAMFB,
};

static const struct option longopts[] = {
	{ "index", required_argument, NULL, OPT_INDEX },
	{ "gpu", required_argument, NULL, OPT_GPU },
	{ "placement", required_argument, NULL, OPT_PLACEMENT },
	{ "params", required_argument, NULL, OPT_PARAMS },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "display", required_argument, NULL, OPT_DISPLAY },
	{ "x-vga", no_argument, NULL, OPT_X_VGA },
	{ "no-x-vga", no_argument, NULL, OPT_NO_X_VGA },
	{ "pcie", no_argument, NULL, OPT_PCIE },
	{ "no-pcie", no_argument, NULL, OPT_NO_PCIE },
	{ "ramfb", no_argument, NULL, OPT_RAMFB },
	{ "no-ramfb", no_argument, NULL, OPT_NO_RAMFB },
	{ NULL, 0, NULL, 0 },
};

void set_asked_add(struct set_asked *a, const char *key, const char *value)
{
	struct setting *s = NULL;

	for (size_t i = 0; i < a->n && !s; i++)
		if (!strcmp(a->s[i].key, key))
			s = &a->s[i];
	if (!s) {
		s = GROW(a->s, a->n);
		s->key = xstrdup(key);
	}
	free((char *)(uintptr_t)s->value);
	s->value = value ? xstrdup(value) : NULL;
}

const char *set_asked_value(const struct set_asked *a, const char *key)
{
	for (size_t i = 0; i < a->n; i++)
		if (!strcmp(a->s[i].key, key))
			return a->s[i].value;
	return NULL;
}

bool set_asked_has(const struct set_asked *a, const char *key)
{
	for (size_t i = 0; i < a->n; i++)
		if (!strcmp(a->s[i].key, key))
			return true;
	return false;
}

void set_asked_copy(struct set_asked *to, const struct set_asked *from)
{
	*to = (struct set_asked){ .vmid = from->vmid, .index = from->index };
	for (size_t i = 0; i < from->n; i++)
		set_asked_add(to, from->s[i].key, from->s[i].value);
}

void set_asked_free(struct set_asked *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free((char *)(uintptr_t)a->s[i].key);
		free((char *)(uintptr_t)a->s[i].value);
	}
	free(take_ptr(a->s));
	a->n = 0;
}

struct reader {
	struct set_asked *a;
	const char *index;
	bool x_vga;
};

/* An empty value takes the key away; so does what says what holds without it. */
static void set_text(struct reader *rd, const char *key, const char *value, const char *without)
{
	bool none = !*value || (without && !strcmp(value, without));

	set_asked_add(rd->a, key, none ? NULL : value);
}

static void set_option(void *arg, int val, const char *value)
{
	struct reader *rd = arg;

	switch (val) {
	case OPT_INDEX:
		rd->index = value;
		break;
	case OPT_GPU:
		set_text(rd, "gpu", value, NULL);
		break;
	case OPT_PLACEMENT:
		set_text(rd, "placement", value, NULL);
		break;
	case OPT_PARAMS:
		set_text(rd, "params", value, NULL);
		break;
	case OPT_MODE:
		set_text(rd, "mode", value, "auto");
		break;
	case OPT_DISPLAY:
		set_text(rd, "display", value, NULL);
		break;
	case OPT_X_VGA:
	case OPT_NO_X_VGA:
		rd->x_vga = val == OPT_X_VGA;
		set_asked_add(rd->a, "x-vga", NULL);
		break;
	case OPT_PCIE:
	case OPT_NO_PCIE:
		set_asked_add(rd->a, "pcie", val == OPT_PCIE ? "yes" : NULL);
		break;
	default:
		set_asked_add(rd->a, "ramfb", val == OPT_RAMFB ? "yes" : NULL);
		break;
	}
}

static int read_index(struct reader *rd, struct err *e)
{
	unsigned long index = 0;

	if (rd->index && parse_ulong(rd->index, 0, SETTINGS_HOSTPCI_MAX - 1, &index) < 0)
		return fail(e, RC_USAGE, "--index %s is no number from 0 to %d", QUOTED(rd->index),
			    SETTINGS_HOSTPCI_MAX - 1);
	rd->a->index = (unsigned int)index;
	return 0;
}

/* The values as the settings take them, before anything is looked at. */
static char *wrong_value(const struct setting *s)
{
	struct strlist boards = { 0 };
	struct bdf *gpus = NULL;
	char *text = NULL, *why = NULL;
	enum placement placement;
	enum display display;
	enum vm_mode mode;
	size_t n = 0;

	if (!s->value)
		return NULL;
	if (!strcmp(s->key, "gpu"))
		why = value_gpus(s->value, &gpus, &n, &boards);
	else if (!strcmp(s->key, "placement"))
		why = value_placement(s->value, &placement);
	else if (!strcmp(s->key, "params"))
		why = value_params(s->value, &text);
	else if (!strcmp(s->key, "mode"))
		why = value_mode(s->value, &mode);
	else if (!strcmp(s->key, "display"))
		why = value_display(s->value, &display);
	free(gpus);
	free(text);
	strlist_free(&boards);
	return why;
}

static int read_types(struct set_asked *a, const char *text, struct err *e)
{
	AUTO_STRLIST struct strlist choices = { 0 };
	AUTO_FREE char *why = value_choices(a->index, text, &choices);
	AUTO_FREE char *value = why ? NULL : strlist_join(&choices, ", ");
	AUTO_FREE char *key = xasprintf("hostpci%u", a->index);

	if (why)
		return fail(e, RC_USAGE, "%s", why);
	set_asked_add(a, key, value);
	return 0;
}

int set_options_read(struct ctx *c, int argc, char *argv[], struct set_asked *out, struct err *e)
{
	struct reader rd = { .a = out };
	const struct option_set set = {
		.longopts = longopts, .dry_run = true, .set = set_option, .arg = &rd,
	};
	int rc = options_count(options_read(c, argc, argv, &set, e), 2, 2, "<vmid> or <type>", e);

	if (rc == 0)
		rc = options_vmid(argv[0], &out->vmid, e);
	if (rc == 0)
		rc = read_index(&rd, e);
	for (size_t i = 0; i < out->n && rc == 0; i++) {
		AUTO_FREE char *why = wrong_value(&out->s[i]);

		if (why)
			rc = fail(e, RC_USAGE, "%s", why);
	}
	if (rc == 0)
		rc = read_types(out, argv[1], e);
	if (rc == 0 && rd.x_vga) {
		AUTO_FREE char *device = xasprintf("hostpci%u", out->index);

		set_asked_add(out, "x-vga", device);
	}
	return rc;
}
