/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "guest_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "guest_data.h"
#include "quote.h"
#include "storage.h"
#include "sweep.h"
#include "xalloc.h"

#define TOKEN_MAX	(64 * 1024)

/* Seconds that nobody takes to write one. */
#define TEMPORARY_S	60

/* The file's path from "/"; NULL, with errno, where our own directory is gone. The caller frees it. */
static char *absolute(const char *file)
{
	AUTO_FREE char *here = *file == '/' ? NULL : getcwd(NULL, 0);

	if (*file == '/')
		return xstrdup(file);
	return here ? xasprintf("%s/%s", here, file) : NULL;
}

/* What a shell or our caller has opened, /dev/fd/63: the kernel's own links lead there, and only the kernel can follow them. */
static bool is_opened(const char *path)
{
	return !strcmp(path, "/dev/stdin") || !strncmp(path, "/dev/fd/", strlen("/dev/fd/")) ||
	       !strncmp(path, "/proc/", strlen("/proc/"));
}

/* A file of the admin's: not through another user's link, as it may lie in /tmp or in /dev/shm. */
static int open_named(const char *file)
{
	AUTO(root_close) struct root top = ROOT_CLOSED;
	AUTO_FREE char *path = absolute(file);
	int rc;

	if (!path)
		return -errno;
	if (is_opened(path)) {
		rc = open(path, O_RDONLY | O_CLOEXEC);
		return rc < 0 ? -errno : rc;
	}
	rc = root_open(&top, "/", NULL);
	return rc < 0 ? rc : root_openat(&top, path, O_RDONLY, 0);
}

int guest_file_read(const char *file, char **text, size_t *len, struct err *e)
{
	AUTO_FD int fd = open_named(file);
	AUTO_FREE char *buf = xcalloc(TOKEN_MAX + 2, 1);
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0)
		return fail_errno(e, -fd, "read %s", QUOTED(file));
	while (got && n <= TOKEN_MAX) {
		got = read(fd, buf + n, TOKEN_MAX + 1 - n);
		if (got < 0)
			return fail_errno(e, errno, "read %s", QUOTED(file));
		n += (size_t)got;
	}
	if (n > TOKEN_MAX)
		return fail(e, -EFBIG, "read %s: longer than %d bytes", QUOTED(file), TOKEN_MAX);
	*len = n;
	*text = take_ptr(buf);
	return 0;
}

int guest_file_path(const struct root *r, const char *storage, const char *volid, char **path,
		    struct err *e)
{
	AUTO_STORAGES struct storage_list l = { 0 };
	AUTO_FREE char *node = storage_local_node(r);
	AUTO_FREE char *absolute = NULL;
	const struct storage *s;
	int rc = storage_list_read(r, &l, e);

	if (rc == 0)
		rc = storage_snippet_path(&l, volid, &absolute, e);
	if (rc < 0)
		return rc;
	s = storage_find(&l, storage);
	if (!storage_on_node(s, node))
		return fail(e, -ENOENT, "storage %s is %s", QUOTED(storage),
			    s->disabled ? "disabled" : "not on this node");
	if (!storage_has_snippets(s)) {
		AUTO_FREE char *content = strlist_join(&s->content, ",");

		fail(e, -ENOENT, "storage %s holds no snippets", QUOTED(storage));
		err_hint(e, "pvesm set %s --content %s,snippets", storage, content);
		return -ENOENT;
	}
	/* PVE makes the directory below it; what is not mounted is not made here. */
	if (!root_exists(r, s->path + (*s->path == '/'))) {
		fail(e, -ENOENT, "the directory %s of storage %s is not there", QUOTED(s->path), QUOTED(storage));
		err_hint(e, "pvesm status --storage %s", storage);
		return -ENOENT;
	}
	*path = xstrdup(absolute + (*absolute == '/'));
	return 0;
}

static int check_old(const char *file, const char *old, const char *token, struct err *e)
{
	if (!guest_is_ours(old)) {
		fail(e, -EEXIST, "%s is there, and not written by pve-vgpu", QUOTED(file));
		err_hint(e, "move it away, or name another file with --output");
		return -EEXIST;
	}
	if (guest_has_token(old) && !token) {
		fail(e, -EEXIST, "%s has a client configuration token, which would be lost", QUOTED(file));
		err_hint(e, "give the token again with --token-file, or remove the file first");
		return -EEXIST;
	}
	return 0;
}

/*
 * What is replaced is a plain file or nothing: a link, even one that leads nowhere
 * from here, or a device would give way to the file that takes its name.
 */
static int check_plain(const struct root *r, const char *path, const char *shown, struct err *e)
{
	AUTO_FD int fd = root_openat(r, path, O_PATH | O_NOFOLLOW, 0);
	struct stat st;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_errno(e, fd < 0 ? -fd : errno, "write %s", QUOTED(shown));
	if (S_ISREG(st.st_mode))
		return 0;
	fail(e, -EEXIST, "write %s: it is there, and no plain file", QUOTED(shown));
	err_hint(e, "name another file with --output; without it the data are printed");
	return -EEXIST;
}

static int write_at(const struct root *r, const char *path, const char *shown, const char *text,
		    const char *token, bool dry_run, struct err *e)
{
	AUTO_FREE char *dir = xstrdup(path);
	AUTO_FREE char *old = NULL;
	AUTO_ERR struct err why = { 0 };
	size_t len;
	int rc = check_plain(r, path, shown, e);

	if (rc < 0)
		return rc;
	/* A writer that was killed has left the token there, and nobody else comes by. */
	if (!dry_run)
		sweep_temporaries_of(r, path, TEMPORARY_S);
	rc = root_read(r, path, &old, &len, &why);
	if (rc < 0 && rc != -ENOENT)
		return err_move(e, &why, rc);
	if (rc == 0 && !strcmp(old, text))
		return 0;
	if (rc == 0)
		rc = check_old(shown, old, token, e);
	else
		rc = 0;
	if (rc < 0 || dry_run)
		return rc < 0 ? rc : 1;
	*strrchr(dir, '/') = '\0';
	rc = root_mkdir(r, dir, e);
	if (rc == 0)
		rc = root_replace(r, path, text, token ? 0600 : 0644, e);
	return rc < 0 ? rc : 1;
}

int guest_file_write(const struct root *r, const char *file, const char *text, const char *token,
		     bool dry_run, struct err *e)
{
	AUTO(root_close) struct root top = ROOT_CLOSED;
	AUTO_FREE char *path = NULL, *dir = NULL, *below = NULL;
	int rc;

	if (r)
		return write_at(r, file, file, text, token, dry_run, e);
	path = absolute(file);
	if (!path)
		return fail_errno(e, errno, "write %s: find out the current directory", QUOTED(file));
	dir = xstrdup(path);
	strrchr(dir, '/')[1] = '\0';
	rc = root_open(&top, "/", e);
	if (rc < 0)
		return rc;

	AUTO_FD int there = root_openat(&top, dir, O_PATH | O_DIRECTORY, 0);

	if (there < 0)
		return fail_errno(e, -there, "write %s: open its directory", QUOTED(file));
	/* A file in the root directory has one above it, too. */
	below = xasprintf(".%s", path);
	return write_at(&top, below, file, text, token, dry_run, e);
}
