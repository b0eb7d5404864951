/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The FUSE side.
 *
 * Nothing that can change is cached in the kernel: time-outs are 0 and files
 * are direct_io. No request blocks a thread: what has to wait goes to later.c.
 */
#include "fs.h"
#include "attr.h"
#include "clock.h"
#include "control.h"
#include "later.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTROL_MAX 65536

static struct sim *sim;
static struct timespec born;

void fs_init(struct sim *s)
{
	sim = s;
	clock_gettime(CLOCK_REALTIME, &born);
}

/* --- attributes of inodes ------------------------------------------------------ */

static mode_t node_mode(struct node n, enum node_shape shape)
{
	if (shape == SHAPE_DIR)
		return S_IFDIR | 0755;
	if (shape == SHAPE_LINK)
		return S_IFLNK | 0777;
	if (n.kind == K_CONTROL)
		return S_IFREG | 0666;
	return S_IFREG | (mode_t)attr_mode(n.leaf);
}

/* 0 or -ENOENT. Wants sim->lock. */
static int node_stat(struct node n, struct stat *st)
{
	enum node_shape shape = node_shape(sim, n);

	if (shape == SHAPE_NONE)
		return -ENOENT;
	memset(st, 0, sizeof(*st));
	st->st_ino = node_ino(n);
	st->st_mode = node_mode(n, shape);
	st->st_nlink = 1;
	st->st_size = shape == SHAPE_FILE ? ATTR_SIZE : 0;
	st->st_blksize = ATTR_SIZE;
	st->st_atim = st->st_mtim = st->st_ctim = born;
	return 0;
}

static void fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { 0 };
	struct node n = { 0 };
	int rc;

	pthread_mutex_lock(&sim->lock);
	rc = tree_lookup(sim, node_of_ino(parent), name, &n);
	if (!rc)
		rc = node_stat(n, &e.attr);
	pthread_mutex_unlock(&sim->lock);
	if (rc) {
		fuse_reply_err(req, -rc);
		return;
	}
	e.ino = e.attr.st_ino;
	/* These directories never change, and every path goes through some. */
	if (n.kind == K_DIR && !n.leaf)
		e.entry_timeout = e.attr_timeout = 3600;
	fuse_reply_entry(req, &e);
}

static void fs_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;
	int rc;

	(void)fi;
	pthread_mutex_lock(&sim->lock);
	rc = node_stat(node_of_ino(ino), &st);
	pthread_mutex_unlock(&sim->lock);
	if (rc)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_attr(req, &st, 0);
}

/* Truncation, modes and times are taken and change nothing. */
static void fs_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
		       int to_set, struct fuse_file_info *fi)
{
	(void)attr;
	(void)to_set;
	fs_getattr(req, ino, fi);
}

static void fs_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char buf[1024];
	int rc;

	pthread_mutex_lock(&sim->lock);
	rc = tree_readlink(sim, node_of_ino(ino), buf, sizeof(buf));
	pthread_mutex_unlock(&sim->lock);
	if (rc)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_readlink(req, buf);
}

static int node_mode_now(fuse_ino_t ino, mode_t *mode)
{
	struct stat st;
	int rc;

	pthread_mutex_lock(&sim->lock);
	rc = node_stat(node_of_ino(ino), &st);
	pthread_mutex_unlock(&sim->lock);
	if (!rc)
		*mode = st.st_mode;
	return rc;
}

static void fs_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	mode_t mode = 0;
	int rc = node_mode_now(ino, &mode);

	if (!rc && fuse_req_ctx(req)->uid) {
		if ((mode & (mode_t)mask) != (mode_t)mask)
			rc = -EACCES;
	} else if (!rc && (mask & X_OK) && !(mode & 0111)) {
		rc = -EACCES;
	}
	fuse_reply_err(req, -rc);
}

/* --- directories: listed once, when opened ------------------------------------- */

struct listing {
	atomic_uint refs;	/* the answer may bring the release at once */
	fuse_req_t req;
	char *buf;
	size_t len, size;
};

static void listing_put(struct listing *l)
{
	if (atomic_fetch_sub(&l->refs, 1) > 1)
		return;
	free(l->buf);
	free(l);
}

static int list_one(void *arg, const char *name, struct node n)
{
	struct listing *l = arg;
	struct stat st = {
		.st_ino = node_ino(n),
		.st_mode = n.kind == K_LINK ? S_IFLNK :
			   n.leaf ? S_IFREG : S_IFDIR,
	};
	size_t need = fuse_add_direntry(l->req, NULL, 0, name, NULL, 0);

	if (l->len + need > l->size) {
		size_t size = (l->size + need) * 2;
		char *buf = realloc(l->buf, size);

		if (!buf)
			return -ENOMEM;
		l->buf = buf;
		l->size = size;
	}
	fuse_add_direntry(l->req, l->buf + l->len, need, name, &st,
			  (off_t)(l->len + need));
	l->len += need;
	return 0;
}

static void fs_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node n = node_of_ino(ino);
	struct listing *l = calloc(1, sizeof(*l));
	int rc;

	if (!l) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	atomic_init(&l->refs, 1);
	l->req = req;
	list_one(l, ".", n);
	pthread_mutex_lock(&sim->lock);
	list_one(l, "..", tree_parent(sim, n));
	rc = tree_each(sim, n, list_one, l);
	pthread_mutex_unlock(&sim->lock);
	fi->fh = (uint64_t)(uintptr_t)l;
	if (!rc && !fuse_reply_open(req, fi))
		return;
	if (rc)
		fuse_reply_err(req, -rc);
	listing_put(l);
}

/* The end of the last whole entry which fits. */
static size_t whole_entries(const struct listing *l, size_t off, size_t size)
{
	size_t at = off;

	while (at < l->len) {
		uint32_t namelen;
		size_t entry;

		/* struct fuse_dirent: ino, off, namelen, type, name, padding */
		memcpy(&namelen, l->buf + at + 16, sizeof(namelen));
		entry = (24 + namelen + 7) & ~(size_t)7;
		if (at + entry - off > size)
			break;
		at += entry;
	}
	return at;
}

static void fs_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	struct listing *l = (struct listing *)(uintptr_t)fi->fh;
	size_t at = (size_t)off;

	(void)ino;
	atomic_fetch_add(&l->refs, 1);
	if (at >= l->len)
		fuse_reply_buf(req, NULL, 0);
	else
		fuse_reply_buf(req, l->buf + at, whole_entries(l, at, size) - at);
	listing_put(l);
}

static void fs_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	listing_put((struct listing *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

/* --- files ------------------------------------------------------------------------ */

/*
 * What an open file has read. As seq_file does it: a read that goes on where
 * the last one ended has the same text, any other one a new text.
 */
struct handle {
	atomic_uint refs;	/* the answer may bring the release at once */
	pthread_mutex_t lock;
	char *text;
	size_t len;
	size_t next;		/* where the last read ended */
	bool filled;
};

static struct handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

/* sysfs asks even root for the mode's bits. */
static int may_open(fuse_req_t req, mode_t mode, int flags)
{
	mode_t any = fuse_req_ctx(req)->uid ? 0006 : 0666;
	int acc = flags & O_ACCMODE;

	if (acc != O_WRONLY && !(mode & any & 0444))
		return -EACCES;
	if (acc != O_RDONLY && !(mode & any & 0222))
		return -EACCES;
	return 0;
}

static void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct handle *h;
	mode_t mode = 0;
	int rc = node_mode_now(ino, &mode);

	if (!rc)
		rc = may_open(req, mode, fi->flags);
	h = rc ? NULL : calloc(1, sizeof(*h));
	if (!h) {
		fuse_reply_err(req, rc ? -rc : ENOMEM);
		return;
	}
	atomic_init(&h->refs, 1);
	pthread_mutex_init(&h->lock, NULL);
	fi->fh = (uint64_t)(uintptr_t)h;
	fi->direct_io = 1;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 15)
	fi->parallel_direct_writes = 1;
#endif
	if (fuse_reply_open(req, fi))
		free(h);
}

static void handle_put(struct handle *h)
{
	if (atomic_fetch_sub(&h->refs, 1) > 1)
		return;
	pthread_mutex_destroy(&h->lock);
	free(h->text);
	free(h);
}

static void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	handle_put(handle_of(fi));
	fuse_reply_err(req, 0);
}

/* A request on its way; goes to later.c whole when it has to wait. */
struct job {
	struct later later;	/* first, so that a cast leads back */
	struct node node;
	enum op op;
	int fault;
	bool hangs;
	struct handle *h;
	size_t size;
	off_t off;
	char *text;
	size_t len;
};

static bool job_end(struct job *j, int rc)
{
	if (rc)
		fuse_reply_err(j->later.req, -rc);
	else
		fuse_reply_write(j->later.req, j->len);
	free(j->text);
	free(j);
	return true;
}

/* Counted, and held against the faults, delays and hangs. Returns the delay. */
static unsigned int meet_controls(struct job *j)
{
	char path[1024];

	control_count(j->op, j->node.leaf);
	if (!control_armed())
		return 0;
	pthread_mutex_lock(&sim->lock);
	node_path(sim, j->node, path, sizeof(path));
	pthread_mutex_unlock(&sim->lock);
	j->fault = control_take_fault(j->op, path);
	j->hangs = control_hang(path);
	return control_delay_ms(path);
}

static int text_of(struct node n, char **text, size_t *len)
{
	struct attr_text t;
	int rc;

	if (n.kind == K_CONTROL) {
		*text = control_read(sim, (enum control)(n.leaf - 1));
		*len = *text ? strlen(*text) : 0;
		return *text ? 0 : -ENOMEM;
	}
	pthread_mutex_lock(&sim->lock);
	rc = attr_read(sim, n, &t);
	pthread_mutex_unlock(&sim->lock);
	if (rc)
		return rc;
	*text = malloc(t.len + 1);
	if (!*text)
		return -ENOMEM;
	memcpy(*text, t.buf, t.len);
	*len = t.len;
	return 0;
}

/* Wants h->lock. */
static int fill(struct handle *h, struct node n, int fault)
{
	char *text = NULL;
	size_t len = 0;
	int rc = 0;

	if (fault > 0)
		return -fault;
	if (fault != FAULT_LOST)
		rc = text_of(n, &text, &len);
	if (rc)
		return rc;
	free(h->text);
	h->text = text;
	h->len = len;
	h->filled = true;
	return 0;
}

/* Gives back a reference to @h. */
static void answer_read(fuse_req_t req, struct handle *h, struct node n,
			int fault, size_t size, off_t off)
{
	size_t at = (size_t)off, got = 0;
	int rc = 0;

	pthread_mutex_lock(&h->lock);
	if (!off || !h->filled || at != h->next)
		rc = fill(h, n, fault);
	if (!rc && at < h->len)
		got = size < h->len - at ? size : h->len - at;
	h->next = at + got;
	if (rc)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_buf(req, got ? h->text + at : NULL, got);
	pthread_mutex_unlock(&h->lock);
	handle_put(h);
}

static bool read_step(struct later *it, bool interrupted)
{
	struct job *j = (struct job *)it;

	(void)interrupted;	/* a driver does not care: it is just cut short */
	answer_read(it->req, j->h, j->node, j->fault, j->size, j->off);
	free(j);
	return true;
}

static void park(const struct job *like, unsigned int ms,
		 bool (*step)(struct later *, bool))
{
	struct job *j = malloc(sizeof(*j));

	if (!j) {
		fuse_reply_err(like->later.req, ENOMEM);
		if (like->h)
			handle_put(like->h);
		free(like->text);
		return;
	}
	*j = *like;
	j->later.due = ms ? now_ms() + ms : 0;
	j->later.step = step;
	later_add(&j->later);
}

static bool write_step(struct later *it, bool interrupted);

/*
 * A driver that hangs: until it does not any more. The kernel would keep who is
 * there in state D; here a signal lets go of it, and nothing has been done.
 */
static bool hang_step(struct later *it, bool interrupted)
{
	struct job *j = (struct job *)it;
	char path[1024];

	pthread_mutex_lock(&sim->lock);
	node_path(sim, j->node, path, sizeof(path));
	pthread_mutex_unlock(&sim->lock);
	if (interrupted)
		control_unhang(path);
	else if (control_hangs(path))
		return false;
	if (interrupted && j->op == OP_READ)
		j->fault = EINTR;
	else if (interrupted)
		return job_end(j, -EINTR);
	return j->op == OP_READ ? read_step(it, interrupted) : write_step(it, interrupted);
}

static void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	struct job j = {
		.later.req = req, .node = node_of_ino(ino), .op = OP_READ,
		.h = handle_of(fi), .size = size, .off = off,
	};
	unsigned int ms = 0;

	atomic_fetch_add(&j.h->refs, 1);
	if (!off && j.node.kind != K_CONTROL)
		ms = meet_controls(&j);
	if (j.hangs)
		park(&j, 0, hang_step);
	else if (ms)
		park(&j, ms, read_step);
	else
		answer_read(req, j.h, j.node, j.fault, size, off);
}

/* --- writing --------------------------------------------------------------------------- */

static int write_control(struct job *j)
{
	int rc = control_write(sim, (enum control)(j->node.leaf - 1), j->text);

	later_poke();
	return rc;
}

/* 0, -errno or ATTR_WAIT. */
static int write_now(struct job *j)
{
	int rc;

	if (j->node.kind == K_CONTROL)
		return write_control(j);
	if (j->fault)
		return j->fault == FAULT_LOST ? 0 : -j->fault;
	pthread_mutex_lock(&sim->lock);
	rc = attr_write(sim, j->node, j->text, j->len);
	pthread_mutex_unlock(&sim->lock);
	/* VFs may have gone, and with them what a remover waits for. */
	if (j->node.kind == K_DEV)
		later_poke();
	return rc;
}

/*
 * A blocked remover: until the vGPU is gone, or the writer is killed. The
 * kernel would keep a killed one in state D, and a FUSE mount with it; here
 * it goes, and the removal goes on without it, as it does there.
 */
static bool remover_step(struct later *it, bool interrupted)
{
	struct job *j = (struct job *)it;
	struct vgpu *v;

	pthread_mutex_lock(&sim->lock);
	v = node_vgpu(sim, j->node);
	pthread_mutex_unlock(&sim->lock);
	if (v && !interrupted)
		return false;
	return job_end(j, v ? -EINTR : 0);
}

static bool write_step(struct later *it, bool interrupted)
{
	struct job *j = (struct job *)it;
	int rc = write_now(j);

	if (rc != ATTR_WAIT)
		return job_end(j, rc);
	it->due = 0;
	it->step = remover_step;
	return remover_step(it, interrupted);
}

static void fs_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
		     off_t off, struct fuse_file_info *fi)
{
	struct job j = { .later.req = req, .node = node_of_ino(ino), .op = OP_WRITE };
	size_t max = j.node.kind == K_CONTROL ? CONTROL_MAX : ATTR_SIZE;
	unsigned int ms = 0;
	int rc;

	(void)off;	/* as in sysfs: each write is a command of its own */
	(void)fi;
	j.len = size < max ? size : max;
	j.text = malloc(j.len + 1);
	if (!j.text) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	memcpy(j.text, buf, j.len);
	j.text[j.len] = '\0';
	if (j.node.kind != K_CONTROL)
		ms = meet_controls(&j);
	if (ms || j.hangs) {
		park(&j, j.hangs ? 0 : ms, j.hangs ? hang_step : write_step);
		return;
	}
	rc = write_now(&j);
	if (rc == ATTR_WAIT) {
		park(&j, 0, remover_step);
		return;
	}
	if (rc)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_write(req, j.len);
	free(j.text);
}

/* --- what sysfs does not let anybody do ---------------------------------------------- */

static void fs_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		      mode_t mode, struct fuse_file_info *fi)
{
	(void)parent;
	(void)name;
	(void)mode;
	(void)fi;
	fuse_reply_err(req, EACCES);
}

static void fs_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode, dev_t rdev)
{
	(void)parent;
	(void)name;
	(void)mode;
	(void)rdev;
	fuse_reply_err(req, EPERM);
}

static void fs_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	(void)parent;
	(void)name;
	(void)mode;
	fuse_reply_err(req, EPERM);
}

static void fs_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)parent;
	(void)name;
	fuse_reply_err(req, EPERM);
}

static void fs_symlink(fuse_req_t req, const char *link, fuse_ino_t parent,
		       const char *name)
{
	(void)link;
	(void)parent;
	(void)name;
	fuse_reply_err(req, EPERM);
}

static void fs_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		      fuse_ino_t newparent, const char *newname, unsigned int flags)
{
	(void)parent;
	(void)name;
	(void)newparent;
	(void)newname;
	(void)flags;
	fuse_reply_err(req, EPERM);
}

const struct fuse_lowlevel_ops fs_ops = {
	.lookup = fs_lookup,
	.getattr = fs_getattr,
	.setattr = fs_setattr,
	.readlink = fs_readlink,
	.access = fs_access,
	.opendir = fs_opendir,
	.readdir = fs_readdir,
	.releasedir = fs_releasedir,
	.open = fs_open,
	.release = fs_release,
	.read = fs_read,
	.write = fs_write,
	.create = fs_create,
	.mknod = fs_mknod,
	.mkdir = fs_mkdir,
	.unlink = fs_unlink,
	.rmdir = fs_unlink,
	.symlink = fs_symlink,
	.rename = fs_rename,
};
