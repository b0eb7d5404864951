/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "xalloc.h"

#define MAX_OUTPUT	(4 * 1024 * 1024)

void process_result_free(struct process_result *r)
{
	free(take_ptr(r->path));
	free(take_ptr(r->out));
	free(take_ptr(r->errors));
}

/*
 * The path of the program: by it, and not by a descriptor, a script can be run,
 * too. The caller frees it.
 */
static int find(const struct root *r, const char *program, char **path, struct err *e)
{
	AUTO_FD int fd = root_openat(r, program, O_PATH, 0);
	AUTO_FREE char *link = NULL;
	char target[PATH_MAX];
	ssize_t n;

	if (fd < 0)
		return fail_errno(e, -fd, "run '/%s'", program);
	link = xasprintf("/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target));
	if (n < 0 || (size_t)n == sizeof(target))
		return fail_errno(e, n < 0 ? errno : ENAMETOOLONG, "run '/%s'", program);
	*path = xstrndup(target, (size_t)n);
	return 0;
}

/* The child's ends of its pipes; report tells an exec that failed, and closes with one that does not. */
struct ends {
	int out, errors, report;
};

/* In the child. What a signal does, and to whom it comes, is not as our caller has left it. */
static void default_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child. Only what is safe behind fork(). */
__attribute__((noreturn))
static void become(const char *path, char *const *argv, const struct ends *to)
{
	static char env_path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", env_lang[] = "LC_ALL=C";
	char *const env[] = { env_path, env_lang, NULL };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* A group of its own: what it starts is killed with it. */
	setpgid(0, 0);
	default_signals();
	/* Our caller's directory may be gone, and shells complain of that. */
	if (chdir("/") == 0 && null >= 0 && dup2(null, 0) >= 0 && dup2(to->out, 1) >= 0 && dup2(to->errors, 2) >= 0)
		execve(path, argv, env);

	int why = errno;

	/* The parent reads it as it is, or takes the status alone. */
	if (write(to->report, &why, sizeof(why)) < 0)
		_exit(127);
	_exit(127);
}

struct stream {
	int fd;			/* -1: at its end */
	FILE *to;
	size_t total;
};

/* One read of what poll() has found ready. */
static int take(struct stream *s)
{
	char buf[4096];
	ssize_t n = read(s->fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		s->fd = -1;
	s->total += (size_t)n;
	if (s->total > MAX_OUTPUT)
		return -EFBIG;
	fwrite(buf, 1, (size_t)n, s->to);
	return 0;
}

/* All that comes until the end or the deadline. -ETIMEDOUT, -EFBIG. */
static int drain(struct stream *s, size_t n, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline - clock_ms();
		struct pollfd p[2];
		bool open = false;
		int ready;

		for (size_t i = 0; i < n; i++) {
			p[i] = (struct pollfd){ .fd = s[i].fd, .events = POLLIN };
			open |= s[i].fd >= 0;
		}
		if (!open)
			return 0;
		ready = left > 0 ? poll(p, n, (int)left) : 0;
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return ready < 0 ? -errno : -ETIMEDOUT;
		for (size_t i = 0; i < n; i++) {
			int rc = p[i].fd >= 0 && p[i].revents ? take(&s[i]) : 0;

			if (rc < 0)
				return rc;
		}
	}
}

/* Its status, or -ETIMEDOUT. One that is stuck in a driver does not even end by a kill. */
static int reap(pid_t pid, int64_t deadline)
{
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (clock_ms() >= deadline)
			return -ETIMEDOUT;
		clock_sleep_ms(2);
	}
}

/* Returns its status or -errno. */
static int finish(pid_t pid, struct stream *s, size_t n, int64_t deadline)
{
	int rc = drain(s, n, deadline), status;

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

/* Returns the array, which the caller frees alone. */
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

/* What exec could not do, or 0 where it could; *fd is closed. */
static int exec_error(int *fd)
{
	int why = 0;
	ssize_t n;

	do
		n = read(*fd, &why, sizeof(why));
	while (n < 0 && errno == EINTR);
	close(take_fd(fd));
	return n == (ssize_t)sizeof(why) ? why : 0;
}

static int follow(const struct process *p, struct process_result *res, pid_t pid, int out,
		  int errors, struct err *e)
{
	struct stream s[2] = { { .fd = out }, { .fd = errors } };
	size_t n = p->separate ? 2 : 1, len[2];
	int rc;

	s[0].to = xmemstream(&res->out, &len[0]);
	if (p->separate)
		s[1].to = xmemstream(&res->errors, &len[1]);
	rc = finish(pid, s, n, clock_ms() + p->timeout_ms);
	for (size_t i = 0; i < n; i++)
		fclose(s[i].to);
	if (rc == -ETIMEDOUT)
		return fail(e, rc, "'%s' gave no answer within %d ms", res->path, p->timeout_ms);
	if (rc == -EFBIG)
		return fail(e, rc, "'%s' said more than %d MiB and was ended", res->path, MAX_OUTPUT >> 20);
	if (rc < 0)
		return fail_errno(e, -rc, "read from '%s'", res->path);
	res->status = rc;
	return 0;
}

int process_run(const struct root *r, const struct process *p, struct process_result *res,
		struct err *e)
{
	AUTO_FREE char **argv = NULL;
	int out[2], errors[2] = { -1, -1 }, report[2];
	int rc;

	*res = (struct process_result){ 0 };
	rc = find(r, p->program, &res->path, e);
	if (rc < 0)
		return rc;
	argv = argv_of(res->path, p->args);
	if (pipe2(out, O_CLOEXEC) < 0)
		return fail_errno(e, errno, "run '%s'", res->path);

	AUTO_FD int from = out[0], to = out[1];

	if (pipe2(report, O_CLOEXEC) < 0)
		return fail_errno(e, errno, "run '%s'", res->path);

	AUTO_FD int told = report[0], tell = report[1];

	if (p->separate && pipe2(errors, O_CLOEXEC) < 0)
		return fail_errno(e, errno, "run '%s'", res->path);

	AUTO_FD int errors_from = errors[0], errors_to = errors[1];
	struct ends ends = { to, p->separate ? errors_to : to, tell };
	pid_t pid = fork();

	if (pid < 0)
		return fail_errno(e, errno, "run '%s'", res->path);
	if (pid == 0)
		become(res->path, argv, &ends);
	/* Here, too: who comes first is not known. */
	setpgid(pid, pid);
	close(take_fd(&to));
	close(take_fd(&tell));
	if (errors_to >= 0)
		close(take_fd(&errors_to));

	int why = exec_error(&told);

	if (why) {
		reap(pid, clock_ms() + 1000);
		return fail(e, -EIO, "'%s' could not be run: %s", res->path, strerror(why));
	}
	return follow(p, res, pid, from, errors_from, e);
}
