/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <stdio.h>

#include "commands.h"
#include "options.h"

int cmd_version(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option_set none = { 0 };
	int rc = options_count(options_read(c, argc, argv, &none, e), 0, 0, "", e);

	if (rc == 0)
		puts("pve-vgpu " PVE_VGPU_VERSION);
	return rc;
}
