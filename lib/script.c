/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "quote.h"
#include "xalloc.h"

static int check(const struct root *r, const char *path, struct err *e)
{
	AUTO_FD int fd = root_openat(r, path + (*path == '/'), O_PATH, 0);
	struct stat st;

	if (fd < 0)
		return fail_errno(e, -fd, "script %s", QUOTED(path));
	if (fstat(fd, &st) < 0)
		return fail_errno(e, errno, "script %s", QUOTED(path));
	if (!S_ISREG(st.st_mode))
		return fail(e, -ENOENT, "script %s is no file", QUOTED(path));
	if (!(st.st_mode & 0111)) {
		fail(e, -EACCES, "script %s is not executable", QUOTED(path));
		err_hint(e, "chmod +x '%s'", path);
		return -EACCES;
	}
	return 0;
}

/* By the path as it is written, which the script may look at. The caller frees it. */
static int real_path(const struct root *r, const char *path, char **out, struct err *e)
{
	AUTO_FREE char *link = xasprintf("/proc/self/fd/%d", r->fd);
	char top[PATH_MAX];
	ssize_t n = readlink(link, top, sizeof(top));

	if (n < 0 || (size_t)n == sizeof(top))
		return fail_errno(e, n < 0 ? errno : ENAMETOOLONG, "run %s", QUOTED(path));
	*out = n == 1 ? xstrdup(path) : xasprintf("%.*s%s", (int)n, top, path);
	return 0;
}

/* Returns the array, which the caller frees alone. */
static char **argv_of(char *path, const char *const *args)
{
	char **argv = NULL;
	size_t n = 0;

	*GROW(argv, n) = path;
	for (; *args; args++)
		/* exec takes them as they are and writes to none. */
		*GROW(argv, n) = (char *)(uintptr_t)*args;
	*GROW(argv, n) = NULL;
	return argv;
}

/* In the child. What main() has set for itself is put back. */
__attribute__((noreturn))
static void become(const struct script *s, char *const *argv, pid_t parent, int report)
{
	surroundings_restore(s->before);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (s->mark)
		setenv(s->mark, s->mark_value, 1);
	/* With a path there is no search; a script without "#!" runs as it does with PVE. */
	if (getppid() == parent)
		execvp(argv[0], argv);

	int why = errno;

	if (write(report, &why, sizeof(why)) < 0)
		_exit(127);
	_exit(127);
}

/* What exec could not do; 0: it did. */
static int exec_error(int fd)
{
	int why = 0;
	ssize_t n;

	do
		n = read(fd, &why, sizeof(why));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(why) ? why : 0;
}

static int reap(pid_t pid, const char *path, struct err *e)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail_errno(e, errno, "wait for %s", QUOTED(path));
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return fail(e, -EINTR, "script %s was ended by signal %d", QUOTED(path), WTERMSIG(status));
}

int script_run(const struct root *r, const struct script *s, struct err *e)
{
	AUTO_FREE char *path = NULL;
	AUTO_FREE char **argv = NULL;
	pid_t self = getpid(), pid;
	int report[2], why;
	int rc = check(r, s->path, e);

	if (rc == 0)
		rc = real_path(r, s->path, &path, e);
	if (rc < 0)
		return rc;
	argv = argv_of(path, s->args);
	if (pipe2(report, O_CLOEXEC) < 0)
		return fail_errno(e, errno, "run %s", QUOTED(s->path));

	AUTO_FD int told = report[0], tell = report[1];

	/* What was said before it stands before what it says. */
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return fail_errno(e, errno, "run %s", QUOTED(s->path));
	if (pid == 0)
		become(s, argv, self, tell);
	close(take_fd(&tell));
	why = exec_error(told);
	rc = reap(pid, s->path, e);
	if (!why)
		return rc;
	err_clear(e);
	return fail_errno(e, why, "run %s", QUOTED(s->path));
}
