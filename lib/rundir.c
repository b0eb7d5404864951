/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "rundir.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

#include "cleanup.h"
#include "parse.h"
#include "xalloc.h"

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

/* ".<name>.<pid>.tmp", as root_replace() names them; the pid, or 0 for another name. */
static pid_t writer_of(const char *name)
{
	AUTO_FREE char *copy = xstrdup(name);
	char *tmp = strrchr(copy, '.'), *dot;
	unsigned long pid;

	if (*copy != '.' || !tmp || strcmp(tmp, ".tmp"))
		return 0;
	*tmp = '\0';
	dot = strrchr(copy, '.');
	if (!dot || parse_ulong(dot + 1, 1, INT_MAX, &pid) < 0)
		return 0;
	return (pid_t)pid;
}

static void sweep(const struct root *r, const char *dir)
{
	AUTO_STRLIST struct strlist names = { 0 };

	if (root_list(r, dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		pid_t pid = writer_of(names.s[i]);
		AUTO_FREE char *path = xasprintf("%s/%s", dir, names.s[i]);

		if (pid && kill(pid, 0) < 0 && errno == ESRCH)
			root_unlink(r, path, NULL);
	}
}

void rundir_sweep(const struct root *r)
{
	sweep(r, RUN_DIR);
	sweep(r, RUN_DIR "/standalone");
}
