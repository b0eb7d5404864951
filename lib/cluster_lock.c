/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cluster_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "cleanup.h"
#include "clock.h"
#include "cluster.h"
#include "xalloc.h"

#define LOCK_DIR	"etc/pve/priv/lock"
#define POLL_MS		50
#define POLL_MAX_MS	1000	/* each poll is a message to all nodes */
#define QUIET_MS	1000	/* waits shorter than this are not worth a line */

static void block_signals(sigset_t *before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, before);
}

/* A signal that came meanwhile counts here. */
static void wait_ms(int64_t ms, const sigset_t *mask)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	ppoll(NULL, 0, &t, mask);
}

/* Ask all nodes whether the lock has outlived its time; one that has is gone then. */
static void ask_unlock(int dirfd, const char *name)
{
	static const struct timespec zero[2];

	/* Refused for one that is younger, and that is no matter. */
	if (utimensat(dirfd, name, zero, AT_SYMLINK_NOFOLLOW) < 0)
		return;
}

static int make_lock(struct cluster_lock *l, const char *what, int64_t deadline)
{
	int64_t quiet = clock_ms() + QUIET_MS, left;
	int poll_ms = POLL_MS;
	bool said = false;

	for (;;) {
		l->asked_ms = clock_ms();
		if (mkdirat(l->dirfd, l->name, 0700) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		left = deadline - clock_ms();
		if (left <= 0)
			return -EBUSY;
		if (!said && clock_ms() >= quiet) {
			fprintf(stderr, "pve-vgpu: waiting for the lock of %s, '/" LOCK_DIR "/%s'\n", what, l->name);
			said = true;
		}
		ask_unlock(l->dirfd, l->name);
		wait_ms(left < poll_ms ? left : poll_ms, &l->mask);
		poll_ms = poll_ms * 2 < POLL_MAX_MS ? poll_ms * 2 : POLL_MAX_MS;
	}
}

static int fail_lock(const struct root *r, const char *name, const char *what, int rc, struct err *e)
{
	AUTO_FREE char *lock = xasprintf("lock %s", what);

	if (rc == -EBUSY) {
		fail(e, rc, "%s: '/" LOCK_DIR "/%s' is held by another process of the cluster", lock, name);
		err_hint(e, "try again; a lock whose holder is gone ends after %d seconds", CLUSTER_LOCK_LIFE_S);
		return rc;
	}
	if (rc == -EACCES && !cluster_quorate(r))
		return cluster_fail_quorum(lock, e);
	fail_errno(e, -rc, "%s: make directory '/" LOCK_DIR "/%s'", lock, name);
	if (geteuid())
		err_hint(e, "only root may change what is in /etc/pve");
	err_hint(e, "'pvecm status' and 'systemctl status pve-cluster' tell about /etc/pve");
	return rc;
}

int cluster_lock_take(const struct root *r, const char *name, const char *what, int64_t deadline,
		      struct cluster_lock *l, struct err *e)
{
	int rc = cluster_mounted(r, e);

	if (rc < 0)
		return fail_in(e, rc, "lock %s", what);
	if (!cluster_quorate(r))
		return fail_lock(r, name, what, -EACCES, e);
	/* As PVE does it: a cluster that has never locked anything has no directory for it. */
	rc = root_mkdir(r, LOCK_DIR, NULL);
	if (rc < 0)
		return fail_lock(r, name, what, rc, e);

	AUTO_FD int fd = root_openat(r, LOCK_DIR, O_PATH | O_DIRECTORY, 0);

	if (fd < 0)
		return fail_errno(e, -fd, "lock %s: open '/" LOCK_DIR "'", what);
	l->dirfd = fd;
	l->name = name;
	block_signals(&l->mask);
	rc = make_lock(l, what, deadline);
	if (rc == 0) {
		take_fd(&fd);
		return 0;
	}
	l->dirfd = -1;
	sigprocmask(SIG_SETMASK, &l->mask, NULL);
	return fail_lock(r, name, what, rc, e);
}

bool cluster_lock_holds(const struct cluster_lock *l)
{
	struct stat st;

	return l->dirfd >= 0 && clock_ms() - l->asked_ms < CLUSTER_LOCK_SAFE_MS &&
		fstatat(l->dirfd, l->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

void cluster_lock_drop(struct cluster_lock *l)
{
	if (l->dirfd < 0)
		return;
	if (cluster_lock_holds(l))
		unlinkat(l->dirfd, l->name, AT_REMOVEDIR);
	cleanup_fd(&l->dirfd);
	l->dirfd = -1;
	sigprocmask(SIG_SETMASK, &l->mask, NULL);
}
