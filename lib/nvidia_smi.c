/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "nvidia_smi.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "quote.h"
#include "xalloc.h"

#define PROGRAM		"usr/bin/nvidia-smi"
#define MAX_OUTPUT	(1024 * 1024)

/* What exec could not do, told by a status that nvidia-smi itself does not use. */
#define STATUS_EXEC	127

/*
 * The path of the program: by it, and not by a descriptor, a script can be run,
 * too. The caller frees it.
 */
static int find(const struct root *r, char **path, struct err *e)
{
	AUTO_FD int fd = root_openat(r, PROGRAM, O_PATH, 0);
	AUTO_FREE char *link = NULL;
	char target[PATH_MAX];
	ssize_t n;

	if (fd < 0)
		return fail_errno(e, -fd, "run '/" PROGRAM "'");
	link = xasprintf("/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target));
	if (n < 0 || (size_t)n == sizeof(target))
		return fail_errno(e, n < 0 ? errno : ENAMETOOLONG, "run '/" PROGRAM "'");
	*path = xstrndup(target, (size_t)n);
	return 0;
}

/* In the child. Only what is safe behind fork(). */
__attribute__((noreturn))
static void become(const char *path, char *const *argv, int out)
{
	static char env_path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", env_lang[] = "LC_ALL=C";
	char *const env[] = { env_path, env_lang, NULL };
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	/* A group of its own: what it starts is killed with it. */
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null >= 0 && dup2(null, 0) >= 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0)
		execve(path, argv, env);
	_exit(STATUS_EXEC);
}

/* All that comes until the end or the deadline. -ETIMEDOUT, -EFBIG. */
static int drain(int fd, int64_t deadline, FILE *to)
{
	size_t total = 0;

	for (;;) {
		char buf[4096];
		int64_t left = deadline - clock_ms();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int ready = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return ready < 0 ? -errno : -ETIMEDOUT;

		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		total += (size_t)n;
		if (total > MAX_OUTPUT)
			return -EFBIG;
		fwrite(buf, 1, (size_t)n, to);
	}
}

/* Its status, or -ETIMEDOUT. One that is stuck in the driver does not even end by a kill. */
static int reap(pid_t pid, int64_t deadline)
{
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
		if (got < 0 && errno != EINTR)
			return -errno;
		if (clock_ms() >= deadline)
			return -ETIMEDOUT;
		clock_sleep_ms(2);
	}
}

static int finish(pid_t pid, int out, int64_t deadline, FILE *to)
{
	int rc = drain(out, deadline, to), status;

	if (rc == 0) {
		status = reap(pid, deadline);
		if (status >= 0)
			return status;
		rc = status;
	}
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	reap(pid, clock_ms() + 100);
	return rc;
}

static int judge(int rc, int timeout_ms, const char *path, const char *text, struct err *e)
{
	if (rc == 0)
		return 0;
	if (rc == -ETIMEDOUT)
		return fail(e, rc, "'%s' gave no answer within %d ms", path, timeout_ms);
	if (rc < 0)
		return fail_errno(e, -rc, "read from '%s'", path);
	if (rc == STATUS_EXEC)
		return fail(e, -EIO, "'%s' could not be run", path);

	AUTO_FREE char *line = xstrndup(text, strcspn(text, "\n"));

	return fail(e, -EIO, "'%s' failed with status %d: %s", path, rc, QUOTED(line));
}

/* The arguments behind the program's name; the caller frees the array alone. */
static char **argv_of(char *path, const char *const *args)
{
	char **argv = NULL;
	size_t n = 0;

	*GROW(argv, n) = path;
	for (; *args; args++)
		/* execve() takes them as they are and writes to none. */
		*GROW(argv, n) = (char *)(uintptr_t)*args;
	*GROW(argv, n) = NULL;
	return argv;
}

int nvidia_smi(const struct root *r, const char *const *args, int timeout_ms, char **text,
	       struct err *e)
{
	AUTO_FREE char *path = NULL, *printed = NULL;
	AUTO_FREE char **argv = NULL;
	int64_t deadline = clock_ms() + timeout_ms;
	int pipes[2], rc = find(r, &path, e);
	size_t len;

	*text = NULL;
	if (rc < 0)
		return rc;
	argv = argv_of(path, args);
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return fail_errno(e, errno, "run '%s'", path);

	AUTO_FD int in = pipes[0], out = pipes[1];
	pid_t pid = fork();

	if (pid < 0)
		return fail_errno(e, errno, "run '%s'", path);
	if (pid == 0)
		become(path, argv, out);
	/* Here, too: who comes first is not known. */
	setpgid(pid, pid);
	close(take_fd(&out));

	FILE *f = xmemstream(&printed, &len);

	rc = finish(pid, in, deadline, f);
	fclose(f);
	rc = judge(rc, timeout_ms, path, printed, e);
	*text = rc == 0 || rc == -EIO ? take_ptr(printed) : NULL;
	return rc;
}
