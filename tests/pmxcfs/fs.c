/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Source of the rules: pve-cluster, src/pmxcfs/pmxcfs.c and cfs-plug-*.c. What
 * is not among the operations below pmxcfs has not got, either: links, hard and
 * symbolic, special files, attributes, locks beyond this node, fallocate.
 */
#include "fs.h"
#include "cluster.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <time.h>

static struct node *this_node(void)
{
	return fuse_get_context()->private_data;
}

static struct cluster *lock(void)
{
	struct cluster *c = this_node()->cluster;

	pthread_mutex_lock(&c->lock);
	return c;
}

static int unlock(struct cluster *c, int rc)
{
	pthread_mutex_unlock(&c->lock);
	return rc;
}

/* A cluster of one node is without corosync, and all its changes have writer 0. */
static struct change now_and_here(const struct cluster *c)
{
	struct change change = {
		.writer = c->nnodes > 1 ? this_node()->number + 1 : 0,
		.now = (uint32_t)time(NULL),
	};

	return change;
}

/* --- links to this node's own directories ------------------------------------- */

/* What the link at path leads to, or NULL; the caller frees it. */
static char *link_target(const char *path)
{
	static const char *const dirs[] = { "qemu-server", "lxc", "openvz" };
	char *target = NULL;

	if (!strcmp(path, "local")) {
		if (asprintf(&target, "nodes/%s", this_node()->name) < 0)
			return NULL;
		return target;
	}
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		if (strcmp(path, dirs[i]))
			continue;
		if (asprintf(&target, "nodes/%s/%s", this_node()->name, dirs[i]) < 0)
			return NULL;
	}
	return target;
}

static int fs_readlink(const char *path, char *buf, size_t size)
{
	char *target = link_target(path + 1);

	if (!target)
		return -EINVAL;
	snprintf(buf, size, "%s", target);
	free(target);
	return 0;
}

/* --- attributes ----------------------------------------------------------------- */

static mode_t mode_of(mode_t kind, mode_t mode, const char *path)
{
	if (path_is_private(path))
		return kind | (mode & 0700);
	return kind | (mode & (kind == S_IFREG ? 0750 : 0755));
}

static void stat_special(struct cluster *c, const char *path, struct stat *st)
{
	char *text = special_read(c, this_node(), path);

	st->st_mode = S_IFREG | (special_can_be_written(path) ? 0640 : 0440);
	if (special_is_dir(path))
		st->st_mode = S_IFDIR | 0750;
	st->st_size = (off_t)(text ? strlen(text) : 0);
	free(text);
}

static void stat_entry(const struct cluster *c, const struct entry *e, const char *path, struct stat *st)
{
	mode_t kind = e->is_dir ? S_IFDIR : S_IFREG, mode = e->is_dir ? 0777 : 0666;

	if (!c->quorate)
		mode &= 0555;
	st->st_mode = mode_of(kind, mode, path);
	st->st_nlink = e->is_dir ? 2 : 1;
	st->st_size = (off_t)e->size;
	st->st_blocks = (off_t)((e->size + 4095) / 4096);
	st->st_atime = st->st_mtime = st->st_ctime = e->mtime;
}

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	struct cluster *c = lock();
	char *target = link_target(++path);
	const struct entry *e = tree_find(&c->tree, path);

	(void)fi;
	memset(st, 0, sizeof(*st));
	st->st_nlink = 1;
	st->st_uid = c->uid;
	st->st_gid = c->gid;
	if (target) {
		st->st_mode = mode_of(S_IFLNK, c->quorate ? 0777 : 0555, path);
		st->st_size = (off_t)strlen(target);
	} else if (special_is(path)) {
		stat_special(c, path, st);
	} else if (e) {
		stat_entry(c, e, path, st);
	}
	free(target);
	return unlock(c, st->st_mode ? 0 : -ENOENT);
}

static int fs_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t off,
		      struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
	static const char *const tops[] = {
		"local", "qemu-server", "lxc", "openvz", ".version", ".members", ".vmlist"
	};
	struct cluster *c = lock();
	const struct entry *dir = tree_find(&c->tree, path + 1), *e;

	(void)off;
	(void)fi;
	(void)flags;
	fill(buf, ".", NULL, 0, 0);
	fill(buf, "..", NULL, 0, 0);
	if (dir == &c->tree.root)
		for (size_t i = 0; i < sizeof(tops) / sizeof(*tops); i++)
			fill(buf, tops[i], NULL, 0, 0);
	for (e = dir ? dir->children : NULL; e; e = e->next)
		fill(buf, e->name, NULL, 0, 0);
	return unlock(c, 0);
}

/* The mode that it has already, and no other. */
static int fs_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	(void)fi;
	return (mode & 07777) == (path_is_private(path + 1) ? 0600 : 0640) ? 0 : -EPERM;
}

static int fs_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
	const struct cluster *c = this_node()->cluster;

	(void)path;
	(void)fi;
	if ((uid == c->uid || uid == (uid_t)-1) && (gid == c->gid || gid == (gid_t)-1))
		return 0;
	return -EPERM;
}

static int fs_utimens(const char *path, const struct timespec tv[2], struct fuse_file_info *fi)
{
	struct cluster *c = lock();
	struct change change = now_and_here(c);
	uint32_t mtime = (uint32_t)tv[1].tv_sec;
	int rc;

	(void)fi;
	if (tv[1].tv_nsec == UTIME_NOW)
		mtime = change.now;
	if (tv[1].tv_nsec == UTIME_OMIT)
		return unlock(c, 0);
	rc = cluster_may_change(c, "utime", ++path);
	if (!rc)
		rc = tree_set_time(&c->tree, path, mtime, change);
	cluster_note(c, this_node(), "utime", path, NULL, rc);
	return unlock(c, rc);
}

/* --- changes ---------------------------------------------------------------------- */

static bool is_taken(const char *path)
{
	char *target = link_target(path);
	bool taken = target || special_is(path);

	free(target);
	return taken;
}

static int make(const char *path, bool is_dir)
{
	const char *op = is_dir ? "mkdir" : "create";
	struct cluster *c = lock();
	int rc = is_taken(path) ? -EACCES : cluster_may_change(c, op, path);

	if (!rc)
		rc = tree_make(&c->tree, path, is_dir, now_and_here(c));
	cluster_note(c, this_node(), op, path, NULL, rc);
	return unlock(c, rc);
}

/* The mode that the caller wants counts for nothing. */
static int fs_mkdir(const char *path, mode_t mode)
{
	(void)mode;
	return make(path + 1, true);
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	(void)mode;
	fi->direct_io = 1;
	return make(path + 1, false);
}

static int take_away(const char *op, const char *path)
{
	struct cluster *c = lock();
	int rc = is_taken(path) ? -EACCES : cluster_may_change(c, op, path);

	if (!rc)
		rc = tree_remove(&c->tree, path);
	cluster_note(c, this_node(), op, path, NULL, rc);
	return unlock(c, rc);
}

static int fs_unlink(const char *path)
{
	return take_away("unlink", path + 1);
}

static int fs_rmdir(const char *path)
{
	return take_away("rmdir", path + 1);
}

static int fs_rename(const char *from, const char *to, unsigned int flags)
{
	struct cluster *c;
	int rc;

	from++;
	to++;
	if (flags)
		return -EINVAL;
	c = lock();
	rc = is_taken(from) || is_taken(to) ? -EACCES : cluster_may_change(c, "rename", to);
	if (!rc)
		rc = tree_rename(&c->tree, from, to, now_and_here(c));
	cluster_note(c, this_node(), "rename", from, to, rc);
	return unlock(c, rc);
}

static int fs_open(const char *path, struct fuse_file_info *fi)
{
	struct cluster *c = lock();
	bool there = special_is(path + 1) || tree_find(&c->tree, path + 1);

	fi->direct_io = 1;
	fi->keep_cache = 0;
	return unlock(c, there ? 0 : -ENOENT);
}

static int part(char *buf, size_t size, off_t off, const char *text, size_t len)
{
	if ((size_t)off >= len)
		return 0;
	if (size > len - (size_t)off)
		size = len - (size_t)off;
	memcpy(buf, text + off, size);
	return (int)size;
}

/* By its path, whatever was there when it was opened. */
static int fs_read(const char *path, char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct cluster *c = lock();
	const struct entry *e = tree_find(&c->tree, ++path);
	int rc = -ENOENT;

	(void)fi;
	if (special_is(path)) {
		char *text = special_read(c, this_node(), path);

		rc = text ? part(buf, size, off, text, strlen(text)) : -ENOMEM;
		free(text);
	} else if (e && !e->is_dir) {
		rc = part(buf, size, off, e->data, e->size);
	}
	return unlock(c, rc);
}

static int write_special(struct cluster *c, const char *path, const char *buf, size_t size)
{
	char *text = strndup(buf, size);
	int rc = text ? special_write(c, path, text) : -ENOMEM;

	free(text);
	return rc ? rc : (int)size;
}

static int fs_write(const char *path, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct cluster *c = lock();
	int rc;

	(void)fi;
	if (special_is(++path))
		return unlock(c, write_special(c, path, buf, size));
	rc = cluster_may_change(c, "write", path);
	if (!rc)
		rc = tree_write(&c->tree, path, buf, size, off, now_and_here(c));
	cluster_note(c, this_node(), "write", path, NULL, rc);
	return unlock(c, rc);
}

static int fs_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	struct cluster *c = lock();
	int rc;

	(void)fi;
	if (special_is(++path))
		return unlock(c, special_can_be_written(path) ? 0 : -EIO);
	rc = cluster_may_change(c, "truncate", path);
	if (!rc)
		rc = tree_truncate(&c->tree, path, size, now_and_here(c));
	cluster_note(c, this_node(), "truncate", path, NULL, rc);
	return unlock(c, rc);
}

static void *fs_init(struct fuse_conn_info *conn, struct fuse_config *config)
{
	(void)config;
	/* pmxcfs's libfuse has neither of these; a write is 128 KiB at most. */
	conn->want &= ~(unsigned int)FUSE_CAP_ATOMIC_O_TRUNC;
	conn->max_write = 128 * 1024;
	return this_node();
}

const struct fuse_operations fs_ops = {
	.init = fs_init,
	.getattr = fs_getattr,
	.readlink = fs_readlink,
	.readdir = fs_readdir,
	.chmod = fs_chmod,
	.chown = fs_chown,
	.utimens = fs_utimens,
	.mkdir = fs_mkdir,
	.create = fs_create,
	.unlink = fs_unlink,
	.rmdir = fs_rmdir,
	.rename = fs_rename,
	.open = fs_open,
	.read = fs_read,
	.write = fs_write,
	.truncate = fs_truncate,
};
