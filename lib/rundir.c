/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "rundir.h"

int rundir_make(const struct root *r, const char *path, struct err *e)
{
	int rc = root_mkdir(r, path, e);

	if (rc < 0)
		rundir_hint(e);
	return rc;
}

void rundir_hint(struct err *e)
{
	err_hint(e, "pve-vgpu keeps its locks and what it has made under /run: see that /run is mounted, "
		 "writable and not full (df /run; df -i /run)");
}
