/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Directories for a test program's files, below TMPDIR, or /tmp where that is not set. All are gone when the program ends. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xalloc.h"

/* The one below TMPDIR, which has all others in it. */
static char *scratch_top;

static inline int scratch_remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

/* Remove a directory with all that is in it; links are not followed. Returns 0, or -1 with errno. */
static inline int scratch_remove(const char *dir)
{
	return nftw(dir, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* What stays behind is a failure, whatever the tests have shown. */
static inline void scratch_end(void)
{
	if (scratch_remove(scratch_top) < 0) {
		fprintf(stderr, "remove directory '%s': %s\n", scratch_top, strerror(errno));
		fflush(NULL);
		_exit(1);
	}
	free(scratch_top);
}

/* Without a directory there is nothing to test. */
static inline void scratch_give_up(const char *dir)
{
	fprintf(stderr, "make directory '%s': %s; see that TMPDIR names one that can be written to\n", dir,
		strerror(errno));
	exit(1);
}

static inline void scratch_begin(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = xasprintf("%s/pve-vgpu-test.XXXXXX", tmp && *tmp ? tmp : "/tmp");

	if (!mkdtemp(dir))
		scratch_give_up(dir);
	scratch_top = dir;
	atexit(scratch_end);
}

/* A new directory. Returns its path, which the caller frees; where there can be none, the program ends. */
static inline char *scratch_make(void)
{
	static unsigned int made;

	if (!scratch_top)
		scratch_begin();

	char *dir = xasprintf("%s/%u", scratch_top, made++);

	if (mkdir(dir, 0755) < 0)
		scratch_give_up(dir);
	return dir;
}

#endif
