/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "commands.h"
#include "fit.h"
#include "options.h"
#include "plan_view.h"

/* Above what options.c has for its own. */
enum { OPT_FIT = 512 };

static void set_fit(void *arg, int val, const char *value)
{
	bool *fit = arg;

	(void)val;
	(void)value;
	*fit = true;
}

int cmd_plan(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option longopts[] = {
		{ "fit", no_argument, NULL, OPT_FIT },
		{ NULL, 0, NULL, 0 },
	};
	bool fit = false;
	const struct option_set set = {
		.longopts = longopts, .json = true, .set = set_fit, .arg = &fit,
	};
	unsigned int vmid = 0;
	int n = options_read(c, argc, argv, &set, e), rc;

	if (n > 0 && fit)
		return fail(e, RC_USAGE, "a vmid or --fit, not both");
	if (n >= 0 && fit)
		return fit_view(c, e);
	rc = options_count(n, 1, 1, "--fit or <vmid>", e);
	if (rc == 0)
		rc = options_vmid(argv[0], &vmid, e);
	return rc < 0 ? rc : plan_view(c, vmid, true, e);
}
