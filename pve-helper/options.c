/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "parse.h"
#include "quote.h"
#include "xalloc.h"

enum { OPT_JSON = 256, OPT_DRY_RUN };

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

static int bad_option(int argc, char *argv[], int got, struct err *e)
{
	const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";

	if (got == ':')
		return fail(e, RC_USAGE, "option %s needs a value", QUOTED(word));
	return fail(e, RC_USAGE, "option %s is not known here", QUOTED(word));
}

int options_read(struct ctx *c, int argc, char *argv[], const struct option_set *o,
		 struct err *e)
{
	AUTO_FREE struct option *all = all_options(o);
	int got, left = 0;

	optind = 0;
	opterr = 0;
	while ((got = getopt_long(argc, argv, ":", all, NULL)) != -1) {
		if (got == '?' || got == ':')
			return bad_option(argc, argv, got, e);
		if (got == OPT_JSON)
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
		return fail(e, RC_USAGE, "too many words");
	return 0;
}

int options_vmid(const char *text, unsigned int *vmid, struct err *e)
{
	if (parse_vmid(text, vmid) == 0)
		return 0;
	return fail(e, RC_USAGE, "%s is no vmid: it must be a number from 100 to 999999999",
		    QUOTED(text));
}
