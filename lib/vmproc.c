/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "vmproc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "parse.h"
#include "xalloc.h"

#define PVE_LOCK_DIR	"var/lock/qemu-server"

/* Is the program QEMU as PVE sees it? */
static bool is_qemu(const char *argv0)
{
	size_t len = strlen(argv0);
	const char *base = path_base(argv0);

	if (len >= 3 && !strcmp(argv0 + len - 3, "kvm"))
		return true;
	return !strncmp(base, "qemu-", 5) && base[5];
}

/* The value behind -pidfile or --pidfile, the last one as PVE's hash has it; NULL: none. */
static const char *pidfile_arg(const char *cmdline, size_t len)
{
	const char *found = NULL, *end = cmdline + len;
	bool pending = false;

	for (const char *arg = cmdline; arg < end; arg += strlen(arg) + 1) {
		if (*arg == '-') {
			const char *name = arg + 1 + (arg[1] == '-');

			pending = !strcmp(name, "pidfile");
		} else if (*arg && pending) {
			found = arg;
			pending = false;
		}
	}
	return found;
}

/* The pid that a pid file holds: one line of digits. */
static pid_t read_pidfile(const struct root *r, const char *path)
{
	AUTO_FREE char *text = NULL;
	unsigned long pid;

	if (root_read_attr(r, path, &text, NULL) < 0 ||
	    parse_ulong(text, 1, INT_MAX, &pid) < 0)
		return 0;
	return (pid_t)pid;
}

bool vm_qemu_cmdline(const char *cmdline, size_t len, const char *pidfile)
{
	const char *its = len && is_qemu(cmdline) ? pidfile_arg(cmdline, len) : NULL;

	return its && !strcmp(its, pidfile);
}

pid_t vm_qemu_pid(const struct root *r, unsigned int vmid)
{
	/* The name PVE gives on QEMU's command line; /var/run is a link to /run. */
	AUTO_FREE char *name = xasprintf("/var/run/qemu-server/%u.pid", vmid);
	AUTO_FREE char *cmdline = NULL;
	size_t len;
	pid_t pid = read_pidfile(r, name + strlen("/var/"));

	if (!pid)
		pid = read_pidfile(r, name + 1);
	if (!pid)
		return 0;

	AUTO_FREE char *path = xasprintf("proc/%d/cmdline", (int)pid);

	if (root_read(r, path, &cmdline, &len, NULL) < 0)
		return 0;
	return vm_qemu_cmdline(cmdline, len, name) ? pid : 0;
}

/* Nobody else may have made it, or could put something else there. */
static bool is_roots(const struct root *r, int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type && !(st.st_mode & S_IWOTH) &&
		(!st.st_uid || st.st_uid == geteuid() || st.st_uid == r->owner);
}

/*
 * All may write to the directory above it, so it may be somebody else's: then it proves
 * nothing. A FIFO would have us wait for its writer.
 */
const char *vm_lock_held(const struct root *r, unsigned int vmid)
{
	static const char strange[] = "the lock of its config is not root's: ls -la /" PVE_LOCK_DIR;
	AUTO_FREE char *name = xasprintf("lock-%u.conf", vmid);
	AUTO_FD int dirfd = root_openat(r, PVE_LOCK_DIR, O_PATH | O_DIRECTORY, 0);

	if (dirfd == -ENOENT)
		return NULL;
	if (dirfd < 0 || !is_roots(r, dirfd, S_IFDIR))
		return strange;

	AUTO_FD int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? NULL : strange;
	if (!is_roots(r, fd, S_IFREG))
		return strange;
	/* Shared, so that two who ask at once do not take each other for PVE. */
	if (flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return NULL;
	return "PVE holds the lock of its config";
}

/*
 * Whether an open file of that name is none of the kernel's devices: in a mount namespace of
 * its own any user has what files he likes at /dev/vfio, and the name alone would keep a
 * vGPU for ever. What cannot be looked at counts as the device.
 */
static bool is_no_device(int fd_dir, const char *name)
{
	struct stat st;

	return fstatat(fd_dir, name, &st, 0) == 0 && !S_ISCHR(st.st_mode);
}

static void note_fd(int fds, const char *name, pid_t pid, struct vfio_users *out)
{
	static const char prefix[] = "/dev/vfio/";
	AUTO_FREE char *target = NULL;

	if (readlink_in(fds, name, &target) < 0 || strncmp(target, prefix, sizeof(prefix) - 1) || is_no_device(fds, name))
		return;

	struct vfio_user *u = GROW(out->u, out->n);

	u->pid = pid;
	u->name = xstrdup(target + sizeof(prefix) - 1);
}

/*
 * Most processes are the kernel's and have nothing open. They are not to be told
 * by their lack of an executable, which would cost less: a QEMU that ends has
 * given that back before its descriptors.
 */
static void read_fds(int proc_fd, const char *pid_text, pid_t pid, struct vfio_users *out)
{
	AUTO_FREE char *path = xasprintf("%s/fd", pid_text);
	AUTO_STRLIST struct strlist names = { 0 };
	AUTO_FD int fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : list_in(fd, &names);

	/* Gone meanwhile: nothing is open there. What we may not see is another matter. */
	if (rc < 0 && rc != -ENOENT && rc != -ESRCH)
		out->error = rc;
	for (size_t i = 0; i < names.n; i++)
		note_fd(fd, names.s[i], pid, out);
}

void vfio_users_read(const struct root *r, struct vfio_users *out)
{
	AUTO_STRLIST struct strlist names = { 0 };
	AUTO_FD int proc_fd = root_openat(r, "proc", O_RDONLY | O_DIRECTORY, 0);
	int rc = proc_fd < 0 ? proc_fd : list_in(proc_fd, &names);

	/* A root without /proc has no processes. */
	if (rc < 0 && rc != -ENOENT)
		out->error = rc;
	for (size_t i = 0; i < names.n; i++) {
		unsigned long pid;

		if (parse_ulong(names.s[i], 1, INT_MAX, &pid) == 0)
			read_fds(proc_fd, names.s[i], (pid_t)pid, out);
	}
}

void vfio_users_free(struct vfio_users *u)
{
	for (size_t i = 0; i < u->n; i++)
		free(u->u[i].name);
	free(take_ptr(u->u));
	u->n = 0;
}

pid_t vfio_user_of(const struct vfio_users *u, const struct strlist *names)
{
	for (size_t i = 0; i < u->n; i++)
		if (strlist_has(names, u->u[i].name))
			return u->u[i].pid;
	return 0;
}

bool vfio_used_by(const struct vfio_users *u, const struct strlist *names, pid_t pid)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->u[i].pid == pid && strlist_has(names, u->u[i].name))
			return true;
	return false;
}
