/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "names.h"
#include "parse.h"
#include "quote.h"
#include "xalloc.h"

/* Edits between what was written and what was meant. */
#define NEAR	2

/* With "-" getopt gives what is no option as 1: without, POSIXLY_CORRECT would end the options at the first word. getopt(3) */
enum { OPT_WORD = 1, OPT_JSON = 256, OPT_DRY_RUN };

static struct option *all_options(const struct option_set *o)
{
	struct option *all = NULL;
	size_t n = 0;

	for (const struct option *p = o->longopts; p && p->name; p++)
		*GROW(all, n) = *p;
	if (o->json)
		*GROW(all, n) = (struct option){ "json", no_argument, NULL, OPT_JSON };
	if (o->dry_run)
		*GROW(all, n) = (struct option){ "dry-run", no_argument, NULL, OPT_DRY_RUN };
	(void)GROW(all, n);
	return all;
}

/* The option that a word was meant for, or NULL. */
static const char *near_option(const struct option *all, const char *word, size_t len)
{
	AUTO_FREE char *name = xstrndup(word, len);
	const char *found = NULL;
	size_t best = NEAR + 1;

	for (; all->name; all++) {
		size_t d = names_distance(name, all->name, NEAR);

		if (d < best) {
			best = d;
			found = all->name;
		}
	}
	return found;
}

int options_bad(const struct option *all, char *argv[], int got, struct err *e)
{
	const char *word = argv[optind - 1];

	if (got == ':')
		return fail(e, RC_USAGE, "option %s needs a value", QUOTED(word));
	/* A letter may stand anywhere in a word of several: getopt has it in optopt. */
	if (strncmp(word, "--", 2) || (optopt > 0 && optopt < 256))
		return fail(e, RC_USAGE, "option '-%c' is not known here", optopt);
	if (strchr(word, '=') && optopt)
		return fail(e, RC_USAGE, "option %s takes no value", QUOTED(word));

	const char *near = near_option(all, word + 2, strcspn(word + 2, "="));

	fail(e, RC_USAGE, "option %s is not known here", QUOTED(word));
	if (near)
		err_hint(e, "did you mean --%s?", near);
	else if (!strncmp(word, "--root", 6))
		err_hint(e, "--root stands before the command: pve-vgpu --root DIR COMMAND");
	return RC_USAGE;
}

static int check_shared(const struct ctx *c, const struct option_set *o, struct err *e)
{
	if (c->json && !o->json)
		return fail(e, RC_USAGE, "option '--json' is not known here");
	if (c->dry_run && !o->dry_run)
		return fail(e, RC_USAGE, "option '--dry-run' is not known here");
	return 0;
}

int options_read(struct ctx *c, int argc, char *argv[], const struct option_set *o,
		 struct err *e)
{
	AUTO_FREE struct option *all = all_options(o);
	int got, left = 0;

	/* They may have stood before the command. */
	if (check_shared(c, o, e) < 0)
		return RC_USAGE;
	optind = 0;
	opterr = 0;
	while ((got = getopt_long(argc, argv, "-:", all, NULL)) != -1) {
		if (got == '?' || got == ':')
			return options_bad(all, argv, got, e);
		if (got == OPT_WORD)
			argv[left++] = optarg;
		else if (got == OPT_JSON)
			c->json = true;
		else if (got == OPT_DRY_RUN)
			c->dry_run = true;
		else
			o->set(o->arg, got, optarg);
	}
	while (optind < argc)
		argv[left++] = argv[optind++];
	return left;
}

int options_count(int n, int min, int max, const char *what, struct err *e)
{
	if (n < 0)
		return n;
	if (n < min)
		return fail(e, RC_USAGE, "%s missing", what);
	if (n > max)
		return fail(e, RC_USAGE, "too many words: %d where %d are taken", n, max);
	return 0;
}

int options_vmid(const char *text, unsigned int *vmid, struct err *e)
{
	if (parse_vmid(text, vmid) == 0)
		return 0;
	return fail(e, RC_USAGE, "%s is no vmid: it must be a number from 100 to 999999999",
		    QUOTED(text));
}
