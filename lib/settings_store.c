/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "settings_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cleanup.h"
#include "clock.h"
#include "cluster.h"
#include "cluster_lock.h"
#include "settings_file.h"
#include "xalloc.h"

#define DIR_PATH	"etc/pve"
#define FILE_NAME	"pve-vgpu.conf"
#define TMP_BEGIN	"." FILE_NAME "."
#define TMP_END		".tmp"
#define WHAT		"change '/" SETTINGS_PATH "'"
#define TRIES		5
#define CHANGED		1	/* no failure yet: something else has written the file, try again */

/* Text and whether there is a file. */
struct content {
	char *text;
	size_t len;
};

static void content_free(struct content *c)
{
	free(take_ptr(c->text));
}

#define AUTO_CONTENT __attribute__((cleanup(content_free)))

static int content_read(const struct root *r, struct content *c, struct err *e)
{
	int rc = root_read(r, SETTINGS_PATH, &c->text, &c->len, e);

	if (rc != -ENOENT)
		return rc < 0 ? fail_in(e, rc, WHAT) : 0;
	/* pmxcfs may have gone meanwhile. */
	rc = cluster_mounted(r, e);
	if (rc < 0)
		return fail_in(e, rc, WHAT);
	err_clear(e);
	c->text = xstrdup("");
	c->len = 0;
	return 0;
}

static bool content_is(const struct content *c, const char *text, size_t len)
{
	return c->len == len && !memcmp(c->text, text, len);
}

/*
 * Temporary files of others. With the lock in hand there is nobody who may still
 * need one: whoever is between write and rename has lost the lock, and must not
 * get any further. So this comes before the file is read.
 */
static void sweep(const struct root *r)
{
	AUTO_STRLIST struct strlist names = { 0 };
	size_t begin = strlen(TMP_BEGIN), end = strlen(TMP_END);

	if (root_list(r, DIR_PATH, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		size_t len = strlen(names.s[i]);

		if (len <= begin + end || strncmp(names.s[i], TMP_BEGIN, begin) ||
		    strcmp(names.s[i] + len - end, TMP_END))
			continue;

		AUTO_FREE char *path = xasprintf(DIR_PATH "/%s", names.s[i]);

		root_unlink(r, path, NULL);
	}
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * No chmod and no chown: pmxcfs has one mode and one owner for its files, and
 * refuses all others. It has no fsync either, which is success, for it writes
 * through.
 */
static int write_temporary(int dirfd, const char *name, const char *text, size_t len)
{
	AUTO_FD int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	int rc = fd < 0 ? -errno : write_all(fd, text, len);

	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (rc == 0 && close(take_fd(&fd)) < 0)
		rc = -errno;
	return rc;
}

static int fail_write(const struct root *r, int rc, struct err *e)
{
	if (rc == -ESTALE) {
		fail(e, rc, WHAT ": it took so long that the lock was lost; nothing was changed");
		err_hint(e, "try again");
		return rc;
	}
	if (rc == -EACCES && !cluster_quorate(r))
		return cluster_fail_quorum(WHAT, e);
	fail_errno(e, -rc, WHAT);
	err_hint(e, "'pvecm status' and 'df -i /etc/pve' tell about /etc/pve");
	return rc;
}

/* Put the temporary file in place, unless the file is another one or the lock another's by now. */
static int replace(const struct root *r, int dirfd, const char *tmp, const struct content *old,
		   const struct cluster_lock *lock, struct err *e)
{
	AUTO_CONTENT struct content now = { 0 };
	int rc = content_read(r, &now, e);

	if (rc < 0)
		return rc;
	if (!cluster_lock_holds(lock))
		return fail_write(r, -ESTALE, e);
	if (!content_is(&now, old->text, old->len))
		return CHANGED;
	if (renameat(dirfd, tmp, dirfd, FILE_NAME) == 0)
		return 0;
	/* Who has the lock now has swept it away. */
	return fail_write(r, errno == ENOENT ? -ESTALE : -errno, e);
}

static int check_written(const struct root *r, const char *text, size_t len, struct err *e)
{
	AUTO_CONTENT struct content now = { 0 };
	AUTO_ERR struct err why = { 0 };
	int rc = content_read(r, &now, &why);

	if (rc < 0) {
		fail(e, rc, "%s; it was written before, and may have the change", why.msg);
		err_hint(e, "'systemctl status pve-cluster' tells about /etc/pve; the same command again goes on from there");
		return rc;
	}
	if (content_is(&now, text, len))
		return 0;
	fail(e, -EIO, WHAT ": what is there is not what was written; something changed it that does not take the lock");
	err_hint(e, "see what is in it now");
	return -EIO;
}

static int write_text(const struct root *r, const char *text, const struct content *old,
		      const struct cluster_lock *lock, struct err *e)
{
	AUTO_FD int dirfd = root_openat(r, DIR_PATH, O_RDONLY | O_DIRECTORY, 0);
	uint64_t random = 0;

	if (dirfd < 0)
		return fail_errno(e, -dirfd, WHAT);
	/* Two nodes may have processes of one pid; a name that is there already fails. */
	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (uint64_t)clock_ms() << 16 ^ (uint64_t)getpid();

	AUTO_FREE char *tmp = xasprintf(TMP_BEGIN "%016llx" TMP_END, (unsigned long long)random);
	size_t len = strlen(text);
	int rc = write_temporary(dirfd, tmp, text, len);

	rc = rc < 0 ? fail_write(r, rc, e) : replace(r, dirfd, tmp, old, lock, e);
	if (rc != 0) {
		unlinkat(dirfd, tmp, 0);
		return rc;
	}
	return check_written(r, text, len, e);
}

static int change_once(const struct root *r, settings_change_fn *change, void *arg,
		       const struct cluster_lock *lock, struct err *e)
{
	AUTO_CONTENT struct content old = { 0 };
	AUTO_FREE char *text = NULL;
	int rc;

	sweep(r);
	rc = content_read(r, &old, e);
	if (rc == 0)
		rc = change(arg, old.text, old.len, &text, e);
	if (rc < 0 || !text || content_is(&old, text, strlen(text)))
		return rc;
	if (strlen(text) > SETTINGS_FILE_MAX) {
		fail(e, -EFBIG, WHAT ": it would have %zu bytes, and /etc/pve takes files of at most %d",
		     strlen(text), SETTINGS_FILE_MAX);
		err_hint(e, "take comments out of it; `pve-vgpu gc` takes out the sections of VMs that are gone");
		return -EFBIG;
	}
	return write_text(r, text, &old, lock, e);
}

/* Settings that cannot be read say nothing of it. */
static int64_t lock_deadline(const struct root *r)
{
	AUTO_SETTINGS struct settings s = { 0 };

	if (settings_read(r, &s, NULL) < 0)
		settings_parse("", 0, "", &s);
	return clock_ms() + (int64_t)s.lock_wait_s * 1000;
}

int settings_change(const struct root *r, settings_change_fn *change, void *arg, struct err *e)
{
	AUTO_CLUSTER_LOCK struct cluster_lock lock = CLUSTER_LOCK_NONE;
	int rc = cluster_lock_take(r, "pve-vgpu", "the settings of the cluster", lock_deadline(r), &lock, e);

	if (rc < 0)
		return rc;
	rc = CHANGED;
	for (int i = 0; rc == CHANGED && i < TRIES; i++)
		rc = change_once(r, change, arg, &lock, e);
	if (rc == CHANGED) {
		rc = fail(e, -EAGAIN, WHAT ": something else changes it all the time; nothing was changed");
		err_hint(e, "see who writes it: fuser -v /" SETTINGS_PATH);
	}
	return rc;
}
