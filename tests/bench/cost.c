/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * cost FILE COMMAND…: run it, and add a line "MICROSECONDS KIB" to FILE: how long it took, and the peak memory of the
 * largest process among it and those that it waited for. Ends as the command does.
 *
 * A program of its own and a small one: Linux counts the memory of whoever forks as the child's until its exec
 * (setmax_mm_hiwater_rss() in the kernel's exec_mmap()), so that a shell or Perl would be all that is seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static int failed(const char *what, const char *on)
{
	fprintf(stderr, "cost: %s '%s': %s\n", what, on, strerror(errno));
	return 125;
}

/* The command's end as a shell tells it; 125: it could not be run or written down. */
static int measure(const char *file, char **command)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	long long begun;
	struct rusage used;
	int status;
	pid_t pid;

	if (fd < 0)
		return failed("open", file);
	begun = now_us();
	pid = fork();
	if (pid == 0) {
		execvp(command[0], command);
		_exit(failed("run", command[0]));
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) < 0)
		return failed("run", command[0]);
	if (dprintf(fd, "%lld %ld\n", now_us() - begun, used.ru_maxrss) < 0)
		return failed("write", file);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: cost FILE COMMAND [ARGUMENT...]\n");
		return 2;
	}
	return measure(argv[1], argv + 2);
}
