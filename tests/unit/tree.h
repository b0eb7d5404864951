/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A root directory for one test program: files in, files out, gone at the end. */
#ifndef TREE_H
#define TREE_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "root.h"
#include "scratch.h"
#include "shell.h"
#include "tap.h"
#include "xalloc.h"

static char *tree_dir;
static struct root tree = ROOT_CLOSED;

static inline void tree_end(void)
{
	root_close(&tree);
	free(tree_dir);
}

/* Begin with it; tree is the root then. */
static inline void tree_begin(void)
{
	tree_dir = scratch_make();
	if (root_open(&tree, tree_dir, NULL) < 0)
		exit(1);
	atexit(tree_end);
}

/* Write a file of len bytes, with the directories above it. */
static inline void tree_put_bytes(const char *path, const char *text, size_t len)
{
	AUTO_FREE char *dir = xstrdup(path);

	*strrchr(dir, '/') = '\0';
	CHECK_NUM(root_mkdir(&tree, dir, NULL), 0);

	AUTO_FD int fd = root_openat(&tree, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0 && write(fd, text, len) == (ssize_t)len);
}

static inline void tree_put(const char *path, const char *text)
{
	tree_put_bytes(path, text, strlen(text));
}

/* The file's text, which the caller frees; NULL: there is none. */
static inline char *tree_get(const char *path)
{
	char *text;
	size_t len;

	return root_read(&tree, path, &text, &len, NULL) < 0 ? NULL : text;
}

#endif
