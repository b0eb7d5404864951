/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Ownership by scope: declare, initialise and attach the cleanup in one line,
 * give away with take_fd() or take_ptr().
 */
#ifndef CLEANUP_H
#define CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

static inline void cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define AUTO(fn)	__attribute__((cleanup(fn)))
#define AUTO_FREE	AUTO(cleanup_free)
#define AUTO_FD		AUTO(cleanup_fd)
#define AUTO_FILE	AUTO(cleanup_file)

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define take_ptr(p) ({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#endif
