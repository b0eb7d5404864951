/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * For LD_PRELOAD: how long a program waited for each lock that it took by
 * flock(), and how long it held it. It appends to the file that LOAD_LOCKS
 * names, a line each:
 *
 *	waited NAME MICROSECONDS PID	from the first try to the lock
 *	gave-up NAME MICROSECONDS PID	from the first try to the end of trying
 *	held NAME MICROSECONDS PID	from the lock to the close
 *
 * NAME is the last part of the lock file's path. Who is killed writes nothing
 * about what it held. For programs of one thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS 256

static struct {
	long long tried_us, taken_us;	/* 0: not */
} locks[MAX_FDS];

static long long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void note(const char *what, int fd, long long us)
{
	const char *file = getenv("LOAD_LOCKS");
	char link[64], path[PATH_MAX], line[PATH_MAX + 64];
	const char *name;
	ssize_t len;
	int log, saved = errno;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	log = file && len > 0 ? open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : -1;
	if (log >= 0) {
		path[len] = '\0';
		name = strrchr(path, '/');
		len = snprintf(line, sizeof(line), "%s %s %lld %d\n", what, name ? name + 1 : path, us,
			       (int)getpid());
		/* Nothing of the program depends on it. */
		if (write(log, line, (size_t)len) != len)
			fputs("locks: the log cannot be written\n", stderr);
		syscall(SYS_close, log);
	}
	errno = saved;
}

int flock(int fd, int operation)
{
	int rc;

	if (fd >= 0 && fd < MAX_FDS && (operation & LOCK_EX) && !locks[fd].tried_us)
		locks[fd].tried_us = now_us();
	rc = (int)syscall(SYS_flock, fd, operation);
	if (rc == 0 && fd >= 0 && fd < MAX_FDS && (operation & LOCK_EX)) {
		locks[fd].taken_us = now_us();
		note("waited", fd, locks[fd].taken_us - locks[fd].tried_us);
	}
	return rc;
}

int close(int fd)
{
	if (fd >= 0 && fd < MAX_FDS && locks[fd].tried_us) {
		long long since = locks[fd].taken_us ? locks[fd].taken_us : locks[fd].tried_us;

		note(locks[fd].taken_us ? "held" : "gave-up", fd, now_us() - since);
		locks[fd].tried_us = locks[fd].taken_us = 0;
	}
	return (int)syscall(SYS_close, fd);
}
