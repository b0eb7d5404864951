/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "hook.h"
#include "options.h"
#include "plan_view.h"
#include "quote.h"
#include "settings_file.h"

static int dry_run(const struct ctx *c, unsigned int vmid, const char *phase, struct err *e)
{
	AUTO_SETTINGS struct settings settings = { 0 };
	const struct vm_settings *vs;
	int rc = !strcmp(phase, "pre-start") ? plan_view(c, vmid, false, e) :
		plan_view_release(c, vmid, phase, e);

	if (rc < 0 || settings_read(&c->root, &settings, NULL) < 0)
		return rc;
	vs = settings_section(&settings, vmid);
	if (vs && vs->next_hook)
		printf("vm %u: would call next-hook %s\n", vmid, QUOTED(vs->next_hook));
	return 0;
}

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
	return dry_run(c, vmid, argv[1], e);
}
