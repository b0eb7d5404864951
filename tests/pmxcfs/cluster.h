/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The cluster: its nodes, its tree, its quorum, and the tests' hand on them.
 */
#ifndef PMXCFS_CLUSTER_H
#define PMXCFS_CLUSTER_H

#include "tree.h"

#include <pthread.h>
#include <stdio.h>

struct node {
	const char *name;
	unsigned int number;
	struct cluster *cluster;
};

struct cluster {
	pthread_mutex_t lock;	/* of all that follows */
	struct tree tree;
	struct node *nodes;
	unsigned int nnodes;
	bool quorate;
	uid_t uid;
	gid_t gid;
	FILE *log;		/* what was changed, a line each */
	char *log_text;
	size_t log_len;
	char *fault;		/* "OPERATION PATTERN ERRNO COUNT", or NULL */
};

/*
 * Files that are not in the tree: pmxcfs's own (.version, .members, .vmlist),
 * and the tests' below .sim, which no listing shows.
 */
bool special_is(const char *path);
bool special_is_dir(const char *path);

/* The text, which the caller frees, or NULL where there is no such file. */
char *special_read(struct cluster *c, const struct node *n, const char *path);

/* 0 or -errno. */
int special_write(struct cluster *c, const char *path, const char *text);

/* Is it one that the tests write? */
bool special_can_be_written(const char *path);

/*
 * To be asked before each change: 0, -EACCES without quorum, or the fault that
 * a test wants. cluster_note() then writes the line of the log.
 */
int cluster_may_change(struct cluster *c, const char *op, const char *path);
void cluster_note(struct cluster *c, const struct node *n, const char *op,
		  const char *path, const char *to, int rc);

#endif
