/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct entry *child(struct entry *dir, const char *name, size_t len)
{
	struct entry *e;

	for (e = dir->is_dir ? dir->children : NULL; e; e = e->next)
		if (!strncmp(e->name, name, len) && !e->name[len])
			return e;
	return NULL;
}

/* The entry at the first len bytes of path. */
static struct entry *find(struct tree *t, const char *path, size_t len)
{
	struct entry *e = &t->root;
	const char *end = path + len;

	while (e && path < end) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		size_t n = (size_t)((slash ? slash : end) - path);

		if (n)
			e = child(e, path, n);
		path += n + (slash ? 1 : 0);
	}
	return e;
}

struct entry *tree_find(struct tree *t, const char *path)
{
	return find(t, path, strlen(path));
}

/* The directory that path lies in; *name is its last part. */
static struct entry *find_parent(struct tree *t, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');

	*name = slash ? slash + 1 : path;
	return slash ? find(t, path, (size_t)(slash - path)) : &t->root;
}

static bool is_lock(const struct entry *e)
{
	const struct entry *dir = e->parent;

	return e->is_dir && dir && dir->parent && dir->parent->parent &&
		!dir->parent->parent->parent && !strcmp(dir->name, "lock") &&
		!strcmp(dir->parent->name, "priv");
}

/* Is "NODE/KIND" other than the place given? */
static bool is_elsewhere(const char *node, const char *kind, const char *place, size_t place_len)
{
	size_t len = strlen(node);

	return place_len != len + 1 + strlen(kind) || strncmp(place, node, len) ||
		strncmp(place + len + 1, kind, strlen(kind));
}

/* Is there a guest of the number that path names, on another node or of another kind? */
static bool other_guest(struct tree *t, const char *path)
{
	static const char *const kinds[] = { "qemu-server", "lxc" };
	struct entry *nodes = tree_find(t, "nodes"), *node;
	const char *place;
	size_t len;
	unsigned int vmid = path_vmid(path, &place, &len);
	char file[32];

	if (!vmid || !nodes)
		return false;
	snprintf(file, sizeof(file), "%u.conf", vmid);
	for (node = nodes->children; node; node = node->next) {
		for (size_t i = 0; i < 2; i++) {
			struct entry *dir = child(node, kinds[i], strlen(kinds[i]));

			if (dir && child(dir, file, strlen(file)) &&
			    is_elsewhere(node->name, kinds[i], place, len))
				return true;
		}
	}
	return false;
}

static void mark(struct tree *t, struct entry *e, struct change c)
{
	t->version++;
	e->mtime = c.now;
	e->writer = c.writer;
}

int tree_make(struct tree *t, const char *path, bool is_dir, struct change c)
{
	const char *name;
	struct entry *dir = find_parent(t, path, &name), *e;

	if (!dir)
		return -ENOENT;
	if (!dir->is_dir)
		return -ENOTDIR;
	if (!is_dir && other_guest(t, path))
		return -EEXIST;
	if (child(dir, name, strlen(name)))
		return -EEXIST;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->name = strdup(name);
	e->parent = dir;
	e->is_dir = is_dir;
	e->next = dir->children;
	e->locked = c.now;
	dir->children = e;
	mark(t, e, c);
	return 0;
}

static int resize(struct entry *e, size_t size)
{
	char *data = realloc(e->data, size + 1);

	if (!data)
		return -ENOMEM;
	if (size > e->size)
		memset(data + e->size, 0, size - e->size);
	e->data = data;
	e->size = size;
	return 0;
}

int tree_write(struct tree *t, const char *path, const char *data, size_t len,
	       off_t at, struct change c)
{
	struct entry *e = tree_find(t, path);
	int rc = 0;

	if ((size_t)at + len > TREE_FILE_MAX)
		return -EFBIG;
	if (!e)
		return -ENOENT;
	if (e->is_dir)
		return -ENOTDIR;
	if (other_guest(t, path))
		return -EEXIST;
	if ((size_t)at + len > e->size)
		rc = resize(e, (size_t)at + len);
	if (rc)
		return rc;
	memcpy(e->data + at, data, len);
	mark(t, e, c);
	return (int)len;
}

int tree_truncate(struct tree *t, const char *path, off_t size, struct change c)
{
	struct entry *e = tree_find(t, path);
	int rc;

	if (size > TREE_FILE_MAX)
		return -EFBIG;
	if (!e)
		return -ENOENT;
	if (e->is_dir)
		return -ENOTDIR;
	rc = resize(e, (size_t)size);
	if (!rc)
		mark(t, e, c);
	return rc;
}

static void unhook(struct entry *e)
{
	struct entry **at = &e->parent->children;

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
}

static void release(struct entry *e)
{
	unhook(e);
	free(e->name);
	free(e->data);
	free(e);
}

int tree_remove(struct tree *t, const char *path)
{
	struct entry *e = tree_find(t, path);

	if (!e)
		return -ENOENT;
	if (!e->parent)
		return -EACCES;
	if (e->children)
		return -ENOTEMPTY;
	release(e);
	t->version++;
	return 0;
}

/* A guest may move between nodes; another one of its number is in the way. */
static bool guest_in_the_way(struct tree *t, const char *from, const char *to)
{
	const char *place;
	size_t len;
	unsigned int moved = path_vmid(from, &place, &len);

	return other_guest(t, to) && path_vmid(to, &place, &len) != moved;
}

int tree_rename(struct tree *t, const char *from, const char *to, struct change c)
{
	struct entry *e = tree_find(t, from), *there = tree_find(t, to), *dir;
	const char *name;
	char *copy;

	if (!e)
		return -ENOENT;
	if (!e->parent || is_lock(e))
		return -EACCES;
	if (!e->is_dir && guest_in_the_way(t, from, to))
		return -EEXIST;
	dir = find_parent(t, to, &name);
	if (!dir)
		return -ENOENT;
	if (!dir->is_dir)
		return -ENOTDIR;
	/* Directories move when they are empty, and not otherwise. */
	if (e->children || (there && there->children))
		return -ENOTEMPTY;
	if (there == e)
		return 0;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	if (there)
		release(there);
	unhook(e);
	free(e->name);
	e->name = copy;
	e->parent = dir;
	e->next = dir->children;
	dir->children = e;
	mark(t, e, c);
	return 0;
}

static bool expired(const struct entry *e, uint32_t now)
{
	return now > e->locked && now - e->locked > TREE_LOCK_SECONDS;
}

int tree_set_time(struct tree *t, const char *path, uint32_t mtime, struct change c)
{
	struct entry *e = tree_find(t, path);

	if (!e)
		return -ENOENT;
	if (!e->parent)
		return -EACCES;
	if (is_lock(e)) {
		if (!mtime && expired(e, c.now)) {
			int rc = tree_remove(t, path);

			/* Nothing is there any more whose time could be told. */
			return rc ? rc : -ENOENT;
		}
		if (mtime < e->mtime || e->writer != c.writer)
			return -EACCES;
		e->locked = c.now;
	}
	mark(t, e, c);
	e->mtime = mtime;
	return 0;
}
