/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "catalog.h"
#include "cleanup.h"
#include "clock.h"
#include "parse.h"
#include "reservation.h"
#include "rundir.h"
#include "xalloc.h"

/*
 * ".<name>.<pid>.tmp", as root_replace() names them; the pid, or 0 for another
 * file. With of, files that replace that one alone.
 */
static pid_t writer_of(const char *name, const char *of)
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
	*dot = '\0';
	return of && strcmp(copy + 1, of) ? 0 : (pid_t)pid;
}

static bool is_younger(const struct root *r, const char *path, unsigned int seconds)
{
	AUTO_FD int fd = root_openat(r, path, O_PATH | O_NOFOLLOW, 0);
	struct stat st;

	return fd < 0 || fstat(fd, &st) < 0 || st.st_mtime + (time_t)seconds > clock_epoch();
}

static void sweep(const struct root *r, const char *dir, const char *of, unsigned int younger_s)
{
	AUTO_STRLIST struct strlist names = { 0 };

	if (root_list(r, dir, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		pid_t pid = writer_of(names.s[i], of);
		AUTO_FREE char *path = xasprintf("%s/%s", dir, names.s[i]);

		if (pid && kill(pid, 0) < 0 && errno == ESRCH && !(younger_s && is_younger(r, path, younger_s)))
			root_unlink(r, path, NULL);
	}
}

void sweep_temporaries(const struct root *r)
{
	sweep(r, RUN_DIR, NULL, 0);
	sweep(r, RUN_DIR "/standalone", NULL, 0);
	sweep(r, CATALOG_DIR, NULL, 0);
	/* The directory is PVE's, and one file there is ours to write. */
	sweep(r, RESERVATION_DIR, RESERVATION_NAME, 0);
}

void sweep_temporaries_of(const struct root *r, const char *path, unsigned int younger_s)
{
	AUTO_FREE char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (!slash)
		return;
	*slash = '\0';
	sweep(r, dir, slash + 1, younger_s);
}
