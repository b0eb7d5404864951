/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What lies in the cluster file system: one tree that all nodes see.
 *
 * Source of the rules: pve-cluster, src/pmxcfs/memdb.c. Paths have no leading
 * slash; the root is "". All functions want the caller to hold the one lock.
 * They return 0 or a length where they succeed, else -errno.
 */
#ifndef PMXCFS_TREE_H
#define PMXCFS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TREE_FILE_MAX	(1024 * 1024)
#define TREE_LOCK_SECONDS	120

struct entry {
	char *name;
	struct entry *parent, *next;
	struct entry *children;	/* of a directory */
	bool is_dir;
	char *data;
	size_t size;
	uint32_t mtime;
	unsigned int writer;	/* the node that changed it last */
	uint32_t locked;	/* of a lock: since when its time runs */
};

struct tree {
	struct entry root;
	unsigned long version;	/* of changes */
};

/* Of each change: who makes it, and when. */
struct change {
	unsigned int writer;
	uint32_t now;
};

/* The entry, or NULL. */
struct entry *tree_find(struct tree *t, const char *path);

int tree_make(struct tree *t, const char *path, bool is_dir, struct change c);
int tree_write(struct tree *t, const char *path, const char *data, size_t len,
	       off_t at, struct change c);
int tree_truncate(struct tree *t, const char *path, off_t size, struct change c);
int tree_rename(struct tree *t, const char *from, const char *to, struct change c);
int tree_remove(struct tree *t, const char *path);

/*
 * Sets the time; of a lock with 0 for it: asks for its end, which is granted
 * when it has expired. The caller has -ENOENT then.
 */
int tree_set_time(struct tree *t, const char *path, uint32_t mtime, struct change c);

/* Below priv/, here or of a node, where others may not read. */
bool path_is_private(const char *path);

/* "nodes/NODE/qemu-server/VMID.conf" or lxc's: the vmid and which node and kind; else 0. */
unsigned int path_vmid(const char *path, const char **place, size_t *place_len);

#endif
