/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "commands.h"
#include "hook.h"
#include "options.h"
#include "plan_view.h"
#include "quote.h"

#include <string.h>

int cmd_hook(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option_set set = { .dry_run = true };
	unsigned int vmid;
	int rc = options_count(options_read(c, argc, argv, &set, e), 2, 2, "<vmid> or <phase>", e);

	if (rc == 0)
		rc = options_vmid(argv[0], &vmid, e);
	if (rc < 0)
		return rc;
	if (hook_check_phase(argv[1]) < 0)
		return fail(e, RC_USAGE, "%s is no phase: pre-start, post-start, pre-stop or post-stop",
			    QUOTED(argv[1]));
	if (!c->dry_run)
		return hook_run(c, vmid, argv[1], e);
	if (!strcmp(argv[1], "pre-start"))
		return plan_view(c, vmid, e);
	return plan_view_release(c, vmid, argv[1], e);
}
