/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "alarm.h"
#include "cleanup.h"
#include "clock.h"
#include "rundir.h"
#include "xalloc.h"

#define LOCK_DIR	RUN_DIR "/locks"
#define QUIET_MS	1000	/* waits shorter than this are not worth a line */

/* The kernel hands a lock on in the order of asking, which polling would not. */
int lock_wait(int fd, int64_t deadline)
{
	int64_t left;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return -errno;
	while ((left = deadline - clock_ms()) > 0) {
		struct alarm limit;
		int rc;

		alarm_start(&limit, left);
		rc = flock(fd, LOCK_EX) < 0 ? -errno : 0;
		alarm_stop(&limit);
		if (rc != -EINTR)
			return rc;
	}
	return -EBUSY;
}

void lock_drop(struct lock *l)
{
	cleanup_fd(&l->fd);
	l->fd = -1;
}

/* Who holds it, as the holder wrote it; good for a message and nothing else. */
static char *holder(int fd)
{
	char buf[128];
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	if (n <= 0)
		return xstrdup("another pve-vgpu process");
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return xstrdup(buf);
}

static void sign(int fd, const char *who)
{
	AUTO_FREE char *text = xasprintf("%s, pid %d\n", who, (int)getpid());

	/* Without room on /run the lock holds all the same, only nameless. */
	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, strlen(text), 0) < 0)
		return;
}

static int take(const struct root *r, const char *path, const char *what, const char *who,
		int64_t deadline, struct lock *l, struct err *e)
{
	int rc = rundir_make(r, LOCK_DIR, e);

	if (rc < 0)
		return rc;

	AUTO_FD int fd = root_openat(r, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);

	if (fd < 0) {
		rc = fail_errno(e, -fd, "open lock '/%s'", path);
		rundir_hint(e);
		return rc;
	}

	int64_t quiet = clock_ms() + QUIET_MS;

	rc = lock_wait(fd, deadline < quiet ? deadline : quiet);
	if (rc == -EBUSY && deadline > quiet) {
		AUTO_FREE char *other = holder(fd);

		fprintf(stderr, "pve-vgpu: %s: waiting for %s, held by %s\n", who, what, other);
		rc = lock_wait(fd, deadline);
	}
	if (rc == -EBUSY) {
		AUTO_FREE char *other = holder(fd);

		fail(e, rc, "%s is held by %s", what, other);
		err_hint(e, "try again when that is done; `fuser -v /%s` shows the process", path);
		return rc;
	}
	if (rc < 0)
		return fail_errno(e, -rc, "lock '/%s'", path);
	sign(fd, who);
	l->fd = take_fd(&fd);
	return 0;
}

int lock_vm(const struct root *r, unsigned int vmid, const char *who, int64_t deadline,
	    struct lock *l, struct err *e)
{
	AUTO_FREE char *path = xasprintf(LOCK_DIR "/vm-%u", vmid);
	AUTO_FREE char *what = xasprintf("the lock of vm %u", vmid);

	return take(r, path, what, who, deadline, l, e);
}

int lock_standalone(const struct root *r, const char *who, int64_t deadline, struct lock *l,
		    struct err *e)
{
	return take(r, LOCK_DIR "/standalone", "the lock of standalone vGPUs", who, deadline, l, e);
}

int lock_node(const struct root *r, const char *who, int64_t deadline, struct lock *l,
	      struct err *e)
{
	return take(r, LOCK_DIR "/node", "the node lock", who, deadline, l, e);
}

int lock_sriov(const struct root *r, const char *who, int64_t deadline, struct lock *l,
	       struct err *e)
{
	return take(r, LOCK_DIR "/sriov", "the lock of SR-IOV", who, deadline, l, e);
}

int lock_gpu(const struct root *r, const struct bdf *gpu, const char *who, int64_t deadline,
	     struct lock *l, struct err *e)
{
	AUTO_FREE char *path = xasprintf(LOCK_DIR "/gpu-%s", BDF_STR(gpu));
	AUTO_FREE char *what = xasprintf("the lock of GPU %s", BDF_STR(gpu));

	return take(r, path, what, who, deadline, l, e);
}
