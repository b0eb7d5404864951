/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "root.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "alarm.h"
#include "cleanup.h"
#include "parse.h"
#include "quote.h"
#include "xalloc.h"

/* With 32 bits stat and open refuse a file with EOVERFLOW for its inode's number alone, as large file systems have them. */
_Static_assert(sizeof(off_t) == 8 && sizeof(ino_t) == 8, "compile with -D_FILE_OFFSET_BITS=64");

#define MAX_FILE	(16u << 20)
#define MAX_LINKS	40	/* as the kernel's own limit, path_resolution(7) */

int root_open(struct root *r, const char *path, struct err *e)
{
	AUTO_FD int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_errno(e, errno, "open root directory '%s'", path);
	r->fd = take_fd(&fd);
	r->owner = st.st_uid;
	r->walk = false;
	return 0;
}

void root_close(struct root *r)
{
	cleanup_fd(&r->fd);
	r->fd = -1;
}

/* Where links are those of the file system itself, the kernel's or pmxcfs's, and no user makes one. */
static bool links_are_fixed(const char *path)
{
	path += strspn(path, "/");
	return !strncmp(path, "sys/", 4) || !strncmp(path, "proc/", 5) || !strncmp(path, "etc/pve/", 8);
}

static int open_in_root(int rootfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned int)flags | O_CLOEXEC,
		/* O_TMPFILE has O_DIRECTORY's bit in it, and openat2 takes no mode with that. */
		.mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | (links_are_fixed(path) ? RESOLVE_NO_MAGICLINKS : RESOLVE_NO_SYMLINKS),
	};
	/* glibc before 2.32 does not know SYS_openat2. */
	long fd = syscall(__NR_openat2, rootfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Directories from the root down to where we are, so that ".." stops at the root. */
struct stack {
	int *fd;
	size_t n;
};

static void stack_pop(struct stack *s)
{
	close(s->fd[--s->n]);
}

static void stack_empty(struct stack *s)
{
	while (s->n)
		stack_pop(s);
}

static void stack_free(struct stack *s)
{
	stack_empty(s);
	free(s->fd);
}

#define AUTO_STACK AUTO(stack_free)

static int stack_top(const struct stack *s, int rootfd)
{
	return s->n ? s->fd[s->n - 1] : rootfd;
}

/*
 * Where a link leads; -EINVAL: it is none. -ELOOP, as openat2 has it where links are not
 * wanted: it is a link of somebody who has no say here. What is looked at is what is read,
 * whatever takes that name meanwhile.
 */
static int read_link(const struct root *r, int at, const char *name, bool fixed, char **target)
{
	AUTO_FD int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode))
		return -EINVAL;
	if (!fixed && st.st_uid && st.st_uid != geteuid() && st.st_uid != r->owner)
		return -ELOOP;
	return readlink_in(fd, "", target);
}

/* Go down into the directory name of at. Returns 0 or -errno. */
static int stack_push(struct stack *s, int at, const char *name)
{
	int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;

	int *slot = GROW(s->fd, s->n);

	*slot = fd;
	return 0;
}

/* Open what stands at the end of the path, with or without a slash behind it, and is not to be followed. */
static int open_last(int at, const char *name, bool slash, int flags, mode_t mode)
{
	if (slash && flags & O_CREAT)
		return -EISDIR;

	int fd = openat(at, name, flags | (slash ? O_DIRECTORY : 0) | O_NOFOLLOW | O_CLOEXEC, mode);

	return fd < 0 ? -errno : fd;
}

static void go_on_with(char **rest, char *next)
{
	free(*rest);
	*rest = next;
}

/* What RESOLVE_IN_ROOT does, one component at a time. */
static int open_by_walk(const struct root *r, const char *path, int flags, mode_t mode)
{
	AUTO_STACK struct stack dirs = { 0 };
	AUTO_FREE char *rest = xstrdup(path);
	bool fixed = links_are_fixed(path);
	int links = 0;

	if (!*path)
		return -ENOENT;
	for (;;) {
		const char *name = rest + strspn(rest, "/");
		const char *behind = name + strcspn(name, "/");
		const char *after = behind + strspn(behind, "/");
		bool last = !*after, slash = *behind;
		AUTO_FREE char *part = xstrndup(name, (size_t)(behind - name)), *target = NULL;
		int at = stack_top(&dirs, r->fd);

		if (!strcmp(part, "..")) {
			if (dirs.n)
				stack_pop(&dirs);
		} else if (*part && strcmp(part, ".")) {
			bool itself = last && !slash && flags & (O_NOFOLLOW | O_EXCL);
			int rc = itself ? -EINVAL : read_link(r, at, part, fixed, &target);

			if (rc == -ELOOP)
				return rc;
			if (rc == 0) {
				if (++links > MAX_LINKS)
					return -ELOOP;
				if (*target == '/')
					stack_empty(&dirs);
				go_on_with(&rest, xasprintf("%s%s", target, behind));
				continue;
			}
			if (last)
				return open_last(at, part, slash, flags, mode);

			rc = stack_push(&dirs, at, part);
			if (rc < 0)
				return rc;
		}
		if (last)
			return open_last(stack_top(&dirs, r->fd), ".", false, flags, mode);
		go_on_with(&rest, xstrdup(after));
	}
}

int root_openat(const struct root *r, const char *path, int flags, mode_t mode)
{
	if (!r->walk) {
		int fd = open_in_root(r->fd, path, flags, mode);

		/*
		 * EPERM: a seccomp filter of an older container runtime. EAGAIN: a ".." could not
		 * be proved to stay inside, for somewhere on this machine something was renamed or
		 * mounted meanwhile, and where much of that goes on no number of tries is enough.
		 * ELOOP: there is a link on the way, and whose it is has to be seen.
		 * Source: openat2(2), RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS
		 */
		if (fd != -ENOSYS && fd != -EPERM && fd != -EAGAIN && fd != -ELOOP)
			return fd;
	}
	return open_by_walk(r, path, flags, mode);
}

bool root_exists(const struct root *r, const char *path)
{
	AUTO_FD int fd = root_openat(r, path, O_PATH, 0);

	return fd >= 0;
}

/* What can be done where what is the cluster's cannot be read; of others the callers know. */
static void hint_cluster(const char *path, int rc, struct err *e)
{
	static const char cluster[] = "etc/pve";
	size_t len = strlen(cluster);

	if (strncmp(path, cluster, len) != 0 || (path[len] && path[len] != '/'))
		return;
	if ((rc == -EACCES || rc == -EPERM) && geteuid())
		err_hint(e, "only root may read what is in /etc/pve");
	else if (rc == -EISDIR)
		err_hint(e, "it has to be a file: move away what is there");
	else if (rc != -ENOENT)
		err_hint(e, "'systemctl status pve-cluster' tells about /etc/pve");
}

static int fail_list(const char *path, int rc, struct err *e)
{
	fail_errno(e, -rc, "list '/%s'", path);
	hint_cluster(path, rc, e);
	return rc;
}

/*
 * fdopendir() asks three things about fd that are known here, and listings are
 * most of what a scan of a node with many GPUs takes. getdents64() is readdir()
 * without that.
 */
int list_in(int fd, struct strlist *names)
{
	_Alignas(struct dirent64) char entries[32768];
	ssize_t n;

	while ((n = getdents64(fd, entries, sizeof(entries))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *entry = (const void *)(entries + at);

			if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
				strlist_add(names, entry->d_name);
			at += entry->d_reclen;
		}
	return n < 0 ? -errno : 0;
}

int root_list(const struct root *r, const char *path, struct strlist *names, struct err *e)
{
	AUTO_FD int fd = root_openat(r, path, O_RDONLY | O_DIRECTORY, 0);
	int rc = fd < 0 ? fd : list_in(fd, names);

	return rc < 0 ? fail_list(path, rc, e) : 0;
}

int readlink_in(int dirfd, const char *name, char **target)
{
	char buf[PATH_MAX];
	ssize_t n = readlinkat(dirfd, name, buf, sizeof(buf));

	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof(buf))
		return -ENAMETOOLONG;
	*target = xstrndup(buf, (size_t)n);
	return 0;
}

int root_readlink(const struct root *r, const char *path, char **target, struct err *e)
{
	AUTO_FD int fd = root_openat(r, path, O_PATH | O_NOFOLLOW, 0);
	/* An empty name means the link that fd itself is. */
	int rc = fd < 0 ? fd : readlink_in(fd, "", target);

	return rc < 0 ? fail_errno(e, -rc, "read link '/%s'", path) : 0;
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* once: what fits into one page is all there is, as in an attribute of sysfs. */
static int read_all(int fd, bool once, char **text, size_t *len)
{
	size_t cap = 4096, n = 0;
	AUTO_FREE char *buf = xcalloc(cap + 1, 1);

	for (;;) {
		if (n == cap) {
			if (cap > MAX_FILE)
				return -EFBIG;
			/* One more than allowed, to see whether there is more. */
			cap = cap < MAX_FILE ? cap * 2 : MAX_FILE + 1;
			buf = xrealloc(buf, cap + 1, 1);
		}
		ssize_t got = read(fd, buf + n, cap - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
		if (once && n < cap)
			break;
	}
	buf[n] = '\0';
	*len = n;
	*text = take_ptr(buf);
	return 0;
}

static int read_file(const struct root *r, const char *path, bool once, char **text, size_t *len,
		     struct err *e)
{
	/* O_NONBLOCK: a FIFO in a file's place is empty, and nobody waits for its writer. */
	AUTO_FD int fd = root_openat(r, path, O_RDONLY | O_NONBLOCK, 0);
	int rc = fd < 0 ? fd : read_all(fd, once, text, len);

	if (rc == 0)
		return 0;
	fail_errno(e, -rc, "read '/%s'", path);
	hint_cluster(path, rc, e);
	return rc;
}

int root_read(const struct root *r, const char *path, char **text, size_t *len, struct err *e)
{
	return read_file(r, path, false, text, len, e);
}

static int read_line(const struct root *r, const char *path, bool once, char **text, struct err *e)
{
	size_t len;
	int rc = read_file(r, path, once, text, &len, e);

	if (rc < 0)
		return rc;
	if (len && (*text)[len - 1] == '\n')
		(*text)[len - 1] = '\0';
	return 0;
}

int root_read_attr(const struct root *r, const char *path, char **text, struct err *e)
{
	return read_line(r, path, false, text, e);
}

int root_read_number(const struct root *r, const char *path, unsigned long *out, struct err *e)
{
	AUTO_FREE char *text = NULL;
	/* A number does not come in parts. */
	int rc = read_line(r, path, true, &text, e);

	if (rc < 0)
		return rc;
	if (parse_ulong(text, 0, ULONG_MAX, out) < 0)
		return fail(e, -EINVAL, "read '/%s': %s is not a number", path, QUOTED(text));
	return 0;
}

static ssize_t write_for(int fd, const char *value, size_t len, int timeout_ms)
{
	struct alarm limit;
	ssize_t n;

	alarm_start(&limit, timeout_ms);
	n = write(fd, value, len);
	alarm_stop(&limit);
	if (n < 0 && errno == EINTR)
		errno = ETIMEDOUT;
	return n;
}

int root_write_attr(const struct root *r, const char *path, const char *value,
		    int timeout_ms, struct err *e)
{
	size_t len = strlen(value);
	/* No O_CREAT: an attribute that is missing must fail in a plain directory too. */
	AUTO_FD int fd = root_openat(r, path, O_WRONLY | O_TRUNC, 0);

	if (fd < 0)
		return fail_errno(e, -fd, "write '%s' to '/%s'", value, path);

	/* One write(2): the driver takes each as a whole command. */
	ssize_t n = timeout_ms > 0 ? write_for(fd, value, len, timeout_ms) : write(fd, value, len);

	if (n < 0)
		return fail_errno(e, errno, "write '%s' to '/%s'", value, path);
	if ((size_t)n != len)
		return fail(e, -EIO, "write '%s' to '/%s': the driver took %zd of %zu bytes",
			    value, path, n, len);
	return 0;
}

static int mkdir_one(const struct root *r, const char *path)
{
	AUTO_FREE char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');
	AUTO_FD int parent = -1;

	if (slash) {
		*slash = '\0';
		parent = root_openat(r, dir, O_PATH | O_DIRECTORY, 0);
		if (parent < 0)
			return parent;
	}
	if (mkdirat(slash ? parent : r->fd, slash ? slash + 1 : dir, 0755) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;

	AUTO_FD int there = root_openat(r, path, O_PATH | O_DIRECTORY, 0);

	return there < 0 ? there : 0;
}

int root_mkdir(const struct root *r, const char *path, struct err *e)
{
	AUTO_FD int there = root_openat(r, path, O_PATH | O_DIRECTORY, 0);

	if (there >= 0)
		return 0;
	for (const char *s = path; ; s++) {
		s += strcspn(s, "/");
		AUTO_FREE char *prefix = xstrndup(path, (size_t)(s - path));
		int rc = mkdir_one(r, prefix);

		if (rc < 0)
			return fail_errno(e, -rc, "make directory '/%s'", prefix);
		if (!*s)
			return 0;
	}
}

static int write_all(int fd, const char *text)
{
	size_t len = strlen(text);

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

int root_replace(const struct root *r, const char *path, const char *text,
		 mode_t mode, struct err *e)
{
	AUTO_FREE char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (!slash)
		return fail(e, -EINVAL, "write '/%s': not below a directory", path);
	*slash = '\0';

	const char *base = slash + 1;
	AUTO_FD int dirfd = root_openat(r, dir, O_RDONLY | O_DIRECTORY, 0);

	if (dirfd < 0)
		return fail_errno(e, -dirfd, "write '/%s'", path);

	/* A fixed name would be another writer's too; the pid is ours alone while we run. */
	AUTO_FREE char *tmp = xasprintf(".%s.%d.tmp", base, (int)getpid());

	unlinkat(dirfd, tmp, 0);

	AUTO_FD int fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0)
		return fail_errno(e, errno, "write '/%s'", path);

	int rc = write_all(fd, text);

	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (rc == 0 && renameat(dirfd, tmp, dirfd, base) < 0)
		rc = -errno;
	if (rc < 0) {
		unlinkat(dirfd, tmp, 0);
		return fail_errno(e, -rc, "write '/%s'", path);
	}
	/* Not every file system can sync a directory; the file is there either way. */
	fsync(dirfd);
	return 0;
}

int root_symlink(const struct root *r, const char *target, const char *path, struct err *e)
{
	AUTO_FREE char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (slash)
		*slash = '\0';

	AUTO_FD int parent = slash ? root_openat(r, dir, O_PATH | O_DIRECTORY, 0) : dup(r->fd);

	if (parent < 0)
		return fail_errno(e, slash ? -parent : errno, "make link '/%s'", path);
	if (symlinkat(target, parent, slash ? slash + 1 : dir) < 0)
		return fail_errno(e, errno, "make link '/%s'", path);
	return 0;
}

int root_unlink(const struct root *r, const char *path, struct err *e)
{
	AUTO_FREE char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (!slash)
		return fail(e, -EINVAL, "remove '/%s': not below a directory", path);
	*slash = '\0';

	AUTO_FD int dirfd = root_openat(r, dir, O_PATH | O_DIRECTORY, 0);

	if (dirfd == -ENOENT)
		return 0;
	if (dirfd < 0)
		return fail_errno(e, -dirfd, "remove '/%s'", path);
	if (unlinkat(dirfd, slash + 1, 0) < 0 && errno != ENOENT)
		return fail_errno(e, errno, "remove '/%s'", path);
	return 0;
}
