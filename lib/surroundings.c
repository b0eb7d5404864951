/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "surroundings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "parse.h"
#include "root.h"
#include "strlist.h"

/* Beside those that are open already: with fewer than the first no start comes to its end, and below the second the limit is raised. */
#define FILES_LEAST	13
#define FILES_ENOUGH	64
#define FILES_WANTED	1024
#define SIZE_LEAST	(1 << 20)	/* pmxcfs takes no larger file either */

/* From Linux 5.11 on; older C libraries do not know them. */
#ifndef __NR_close_range
#define __NR_close_range 436
#endif
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* Descriptors 0 to 2 are there, or what is opened next would get their numbers and be written to. */
static int open_standard(struct err *e)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_NOCTTY) != fd)
			return fail_errno(e, errno, "open '/dev/null' in place of the closed descriptor %d", fd);
	return 0;
}

/* Where the kernel cannot do it in one go. */
static void close_on_exec_by_list(void)
{
	AUTO_FD int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_STRLIST struct strlist names = { 0 };
	unsigned long fd;

	if (dir < 0 || list_in(dir, &names) < 0)
		return;
	for (size_t i = 0; i < names.n; i++)
		if (parse_ulong(names.s[i], STDERR_FILENO + 1, INT_MAX, &fd) == 0)
			fcntl((int)fd, F_SETFD, FD_CLOEXEC);
}

/* What our caller had open is no business of the programs that we run; a file that it named by its number may be ours. */
static void close_on_exec(void)
{
	if (syscall(__NR_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		close_on_exec_by_list();
}

/* Returns the soft limit: where it is below least, raised to what is wanted, as far as the hard one lets it be. */
static rlim_t raise_limit(int what, rlim_t least, rlim_t wanted)
{
	struct rlimit now, more;

	if (getrlimit(what, &now) < 0)
		return 0;
	more = now;
	more.rlim_cur = wanted < now.rlim_max ? wanted : now.rlim_max;
	return now.rlim_cur >= least || setrlimit(what, &more) < 0 ? now.rlim_cur : more.rlim_cur;
}

/* The first descriptor that is free; without one the limit itself. */
static rlim_t first_free(rlim_t limit)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (fd < 0)
		return limit;
	close(fd);
	return (rlim_t)fd;
}

static int check_files(struct err *e)
{
	rlim_t open = first_free(raise_limit(RLIMIT_NOFILE, FILES_ENOUGH, FILES_WANTED));
	rlim_t may = raise_limit(RLIMIT_NOFILE, open + FILES_ENOUGH, open + FILES_WANTED);

	if (may >= open + FILES_LEAST)
		return 0;
	fail(e, -EMFILE, "too many open files: of the %llu descriptors that may be open at a time (RLIMIT_NOFILE) %llu are taken, "
	     "and %d are needed", (unsigned long long)may, (unsigned long long)open, FILES_LEAST);
	err_hint(e, "allow more to who starts pve-vgpu: ulimit -n %d, in a unit LimitNOFILE=%d", FILES_WANTED, FILES_WANTED);
	return -EMFILE;
}

static int check_size(struct err *e)
{
	rlim_t may = raise_limit(RLIMIT_FSIZE, SIZE_LEAST, RLIM_INFINITY);

	if (may >= SIZE_LEAST)
		return 0;
	fail(e, -EFBIG, "files of at most %llu bytes may be written (RLIMIT_FSIZE), where %d are needed",
	     (unsigned long long)may, SIZE_LEAST);
	err_hint(e, "allow more to who starts pve-vgpu: ulimit -f unlimited, in a unit LimitFSIZE=infinity");
	return -EFBIG;
}

int surroundings_settle(struct surroundings *before, struct err *e)
{
	int rc;

	/* A reader of our messages who goes away, or a file that gets too large, does not end us half way; children are waited for. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	before->umask = umask(022);
	if (getrlimit(RLIMIT_NOFILE, &before->files) < 0 || getrlimit(RLIMIT_FSIZE, &before->size) < 0)
		return fail_errno(e, errno, "read the limits of this process");
	rc = open_standard(NULL);
	close_on_exec();
	if (check_files(e) < 0)
		return -EMFILE;
	/* Where there was no descriptor for it, there is one now. */
	if (rc < 0)
		rc = open_standard(e);
	return rc < 0 ? rc : check_size(e);
}

void surroundings_restore(const struct surroundings *before)
{
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	umask(before->umask);
	setrlimit(RLIMIT_NOFILE, &before->files);
	setrlimit(RLIMIT_FSIZE, &before->size);
}
