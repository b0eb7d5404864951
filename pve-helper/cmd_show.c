/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <stdio.h>

#include "cleanup.h"
#include "commands.h"
#include "options.h"
#include "show.h"

int cmd_show(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option_set set = { .json = true };
	AUTO_SHOW struct show s = { 0 };
	unsigned int vmid = 0;
	int n = options_read(c, argc, argv, &set, e);
	int rc = options_count(n, 0, 1, "", e);

	if (rc == 0 && n == 1)
		rc = options_vmid(argv[0], &vmid, e);
	if (rc < 0)
		return rc;
	rc = show_gather(c, vmid, &s, e);
	if (rc < 0)
		return fail_in(e, rc, "show");
	show_print(&s, vmid);
	/* What concerns no single VM. */
	if (!vmid && s.settings.fault)
		fprintf(stderr, "pve-vgpu: %s\n", s.settings.fault);
	if (!vmid && s.settings.lost)
		fprintf(stderr, "pve-vgpu: %s\n", s.settings.lost);
	return 0;
}
