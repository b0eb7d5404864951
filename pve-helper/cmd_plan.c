/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "commands.h"
#include "options.h"
#include "plan_view.h"

int cmd_plan(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option_set set = { .json = true };
	unsigned int vmid = 0;
	int rc = options_count(options_read(c, argc, argv, &set, e), 1, 1, "<vmid>", e);

	if (rc == 0)
		rc = options_vmid(argv[0], &vmid, e);
	return rc < 0 ? rc : plan_view(c, vmid, e);
}
