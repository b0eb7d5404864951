/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * All that is under /sys, /run, /etc, /var and /proc, and /dev/kmsg, is reached
 * from one root directory: "/" on a node, a simulated or captured tree elsewhere. Paths are
 * relative to it ("sys/bus/mdev/devices"); a symbolic link that is absolute
 * or climbs out is resolved inside the root, as in a chroot.
 *
 * Outside of /sys, /proc and /etc/pve, where nobody makes one, a link is followed only where
 * root has made it, or who runs the program, or who has the root directory, and may put there
 * whatever he likes: any other is -ELOOP. The kernel's own protected_symlinks does that for
 * the last component alone, and for directories that all may write to: proc_sys_fs(5).
 *
 * Functions return 0 (or a descriptor, or a length) or -errno and name the
 * path in struct err.
 */
#ifndef ROOT_H
#define ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "err.h"
#include "strlist.h"

struct root {
	int fd;
	uid_t owner;	/* of the directory */
	bool walk;	/* resolve by hand: this kernel has no openat2 (before 5.6) */
};

#define ROOT_CLOSED { .fd = -1, .walk = false }

/* Open the directory at path as root. Release with root_close(). */
int root_open(struct root *r, const char *path, struct err *e);
void root_close(struct root *r);

/* Open path with openat(2) flags; O_CLOEXEC is added. Returns a descriptor or -errno. */
int root_openat(const struct root *r, const char *path, int flags, mode_t mode);

/* Whether path exists; links are followed. */
bool root_exists(const struct root *r, const char *path);

/* Names in the directory at path, without "." and "..", unsorted. */
int root_list(const struct root *r, const char *path, struct strlist *names, struct err *e);

/*
 * The same for a directory that is open for reading and has not been read. 0 or
 * -errno; no message.
 */
int list_in(int fd, struct strlist *names);

/* Where the link at path points, word for word. *target is the caller's. */
int root_readlink(const struct root *r, const char *path, char **target, struct err *e);

/* The same for a name in an open directory; no message. */
int readlink_in(int dirfd, const char *name, char **target);

/* Behind the last slash of a path or link target. */
const char *path_base(const char *path);

/*
 * Read a whole file. *text gets a NUL behind it and is the caller's, *len
 * counts the bytes, NULs among them too. -EFBIG above 16 MiB.
 */
int root_read(const struct root *r, const char *path, char **text, size_t *len, struct err *e);

/* As root_read(), for a sysfs attribute: the newline at the end is cut off, a NUL ends it. */
int root_read_attr(const struct root *r, const char *path, char **text, struct err *e);

/* A sysfs attribute that is one decimal number and nothing else; -EINVAL if it is not. */
int root_read_number(const struct root *r, const char *path, unsigned long *out, struct err *e);

/*
 * Write a sysfs attribute with one write(2). The file must be there.
 * timeout_ms > 0: give up with -ETIMEDOUT where the driver blocks for longer
 * (mdev `remove` does while the device is open).
 */
int root_write_attr(const struct root *r, const char *path, const char *value,
		    int timeout_ms, struct err *e);

/* Make the directory and those above it, mode 0755. Being there already is success. */
int root_mkdir(const struct root *r, const char *path, struct err *e);

/*
 * Replace the file in one step (temporary file beside it, fsync, rename,
 * fsync of the directory): after a crash there is the old text or the new one,
 * whole. A link at path is replaced, not followed.
 */
int root_replace(const struct root *r, const char *path, const char *text,
		 mode_t mode, struct err *e);

/* Make a symbolic link at path, whose directory must be there. -EEXIST where anything stands in its place. */
int root_symlink(const struct root *r, const char *target, const char *path, struct err *e);

/* Remove a file. Its absence is success. */
int root_unlink(const struct root *r, const char *path, struct err *e);

#endif
