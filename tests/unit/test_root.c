/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Each test of paths runs twice, through openat2(2) and by hand, for both must
 * give the same answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "root.h"
#include "scratch.h"
#include "shell.h"
#include "tap.h"
#include "xalloc.h"

/* The tree of a test: a root in it, and beside the root what must not be reached. */
struct tree {
	char *outside;
	struct root r;
	const char *how;
};

/* "root/…" holds the same names as the directory around it, with other text. */
static int fill(const char *dir)
{
	return shell(dir, "set -e;"
		     "mkdir -p root/a/b root/etc etc root/list;"
		     "echo inside > root/etc/file; echo outside > etc/file;"
		     "echo deep > root/a/b/file; printf '42\\n' > root/number; printf '42' > root/bare;"
		     "printf '4 2\\n' > root/words; printf 'a\\n\\n' > root/two; : > root/empty;"
		     "ln -s /etc/file root/absolute; ln -s ../../../etc/file root/climbs;"
		     "ln -s ../../etc/file root/a/climbs; ln -s b root/a/dirlink; ln -s /a/b root/absdir;"
		     "ln -s .. root/a/b/up; ln -s absolute root/twice; ln -s loop2 root/loop1;"
		     "ln -s loop1 root/loop2; ln -s /etc/nowhere root/dangling; ln -s / root/slash;"
		     "ln -s self/x root/self; mkfifo root/fifo;"
		     "touch root/list/one root/list/.two");
}

static struct tree tree_make(bool walk)
{
	struct tree t = { .outside = scratch_make(), .r = ROOT_CLOSED, .how = walk ? "by hand" : "openat2" };

	CHECK_NUM(fill(t.outside), 0);

	AUTO_FREE char *path = xasprintf("%s/root", t.outside);
	AUTO_ERR struct err e = { 0 };

	CHECK_NUM(root_open(&t.r, path, &e), 0);
	t.r.walk = walk;
	return t;
}

static void tree_free(struct tree *t)
{
	root_close(&t->r);
	CHECK_NUM(scratch_remove(t->outside), 0);
	free(t->outside);
}

static const char *error_name(int errnum)
{
	switch (errnum) {
	case ENOENT: return "ENOENT";
	case ENOTDIR: return "ENOTDIR";
	case EISDIR: return "EISDIR";
	case ELOOP: return "ELOOP";
	default: return strerror(errnum);
	}
}

/* First line of what is at path, or the name of the error; lives until the next call. */
static const char *text_at(const struct tree *t, const char *path)
{
	static char buf[256];
	AUTO_FREE char *text = NULL;
	size_t len;
	int rc = root_read(&t->r, path, &text, &len, NULL);

	if (rc < 0)
		return error_name(-rc);
	snprintf(buf, sizeof(buf), "%.*s", (int)strcspn(text, "\n"), text);
	return buf;
}

#define CHECK_AT(path, want) CHECK_STR(text_at(t, path), want)

static void test_resolved(const struct tree *t)
{
	TEST("root: reads files in directories, with slashes and dots to spare") {
		CHECK_AT("etc/file", "inside");
		CHECK_AT("a/b/file", "deep");
		CHECK_AT("a//b/./file", "deep");
		CHECK_AT("/etc/file", "inside");
		CHECK_AT("a/b/../../etc/file", "inside");
	}
	TEST("root: an absolute link begins at the root") {
		CHECK_AT("absolute", "inside");
		CHECK_AT("twice", "inside");
		CHECK_AT("absdir/file", "deep");
		CHECK_AT("slash/etc/file", "inside");
		CHECK_AT("slash/slash/absolute", "inside");
	}
	TEST("root: '..' stops at the root, in paths and in links") {
		CHECK_AT("../etc/file", "inside");
		CHECK_AT("../../../../../etc/file", "inside");
		CHECK_AT("a/../../etc/file", "inside");
		CHECK_AT("climbs", "inside");
		CHECK_AT("a/climbs", "inside");
	}
	TEST("root: '..' behind a link leads to the directory above its target") {
		CHECK_AT("a/dirlink/file", "deep");
		CHECK_AT("absdir/../../etc/file", "inside");
		CHECK_AT("a/b/up/b/up/b/file", "deep");
	}
	TEST("root: links in a circle end with ELOOP") {
		CHECK_AT("loop1", "ELOOP");
		CHECK_AT("loop1/x", "ELOOP");
		CHECK_AT("self", "ELOOP");
	}
	TEST("root: what is missing is ENOENT, a file on the way is ENOTDIR") {
		CHECK_AT("nowhere", "ENOENT");
		CHECK_AT("nowhere/file", "ENOENT");
		CHECK_AT("nowhere/../etc/file", "ENOENT");
		CHECK_AT("dangling", "ENOENT");
		CHECK_AT("", "ENOENT");
		CHECK_AT("etc/file/x", "ENOTDIR");
		CHECK_AT("etc/file/", "ENOTDIR");
		CHECK_AT("etc/file/..", "ENOTDIR");
		CHECK_AT("absolute/", "ENOTDIR");
		CHECK_AT("etc", "EISDIR");
		CHECK_AT("etc/", "EISDIR");
		CHECK_AT("/", "EISDIR");
	}
}

static void test_open(const struct tree *t)
{
	TEST("root_openat: O_NOFOLLOW refuses a link at the end, not on the way") {
		CHECK_NUM(root_openat(&t->r, "absolute", O_RDONLY | O_NOFOLLOW, 0), -ELOOP);

		AUTO_FD int fd = root_openat(&t->r, "a/dirlink/file", O_RDONLY | O_NOFOLLOW, 0);

		CHECK(fd >= 0);

		/* A slash behind the link asks for the directory, as everywhere. */
		AUTO_FD int dir = root_openat(&t->r, "absdir/", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);

		CHECK(dir >= 0);
	}
	TEST("root_openat: descriptors do not reach programs that we run") {
		AUTO_FD int fd = root_openat(&t->r, "etc/file", O_RDONLY, 0);
		AUTO_FD int dir = root_openat(&t->r, "etc", O_PATH | O_DIRECTORY, 0);

		CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		CHECK(fcntl(dir, F_GETFD) & FD_CLOEXEC);
	}
	TEST("root_openat: makes a file with its mode, a link at the path is followed inside") {
		mode_t mask = umask(0);
		AUTO_FD int fd = root_openat(&t->r, "etc/new", O_WRONLY | O_CREAT | O_EXCL, 0640);
		struct stat st = { 0 };

		umask(mask);
		CHECK(fd >= 0);
		fstat(fd, &st);
		CHECK_NUM(st.st_mode & 07777, 0640);
		CHECK_NUM(root_openat(&t->r, "etc/new", O_WRONLY | O_CREAT | O_EXCL, 0640), -EEXIST);
		CHECK_NUM(root_openat(&t->r, "dangling", O_WRONLY | O_CREAT | O_EXCL, 0640), -EEXIST);

		AUTO_FD int through = root_openat(&t->r, "dangling", O_WRONLY | O_CREAT, 0640);

		CHECK(through >= 0);
		CHECK(root_exists(&t->r, "etc/nowhere"));
		CHECK_NUM(root_unlink(&t->r, "etc/nowhere", NULL), 0);
		CHECK_NUM(root_openat(&t->r, "etc/nowhere/", O_WRONLY | O_CREAT, 0640), -EISDIR);
		CHECK(!root_exists(&t->r, "etc/nowhere"));
	}
	TEST("root_openat: a mode does no harm where nothing is made") {
		AUTO_FD int fd = root_openat(&t->r, "etc", O_RDONLY | O_DIRECTORY, 0755);

		CHECK(fd >= 0);
	}
}

static void test_look(const struct tree *t)
{
	TEST("root_exists: follows links") {
		CHECK(root_exists(&t->r, "absolute"));
		CHECK(root_exists(&t->r, "etc"));
		CHECK(!root_exists(&t->r, "dangling"));
		CHECK(!root_exists(&t->r, "nowhere"));
	}
	TEST("root_readlink: gives the target word for word") {
		AUTO_FREE char *target = NULL;
		AUTO_ERR struct err e = { 0 };
		char *none;

		CHECK_NUM(root_readlink(&t->r, "a/dirlink/../climbs", &target, &e), 0);
		CHECK_STR(target, "../../etc/file");
		CHECK_NUM(root_readlink(&t->r, "nowhere", &none, &e), -ENOENT);
		CHECK_STR(e.msg, "read link '/nowhere': No such file or directory");
		CHECK(root_readlink(&t->r, "etc/file", &none, &e) < 0);
		CHECK_HAS(e.msg, "read link '/etc/file': ");
	}
	TEST("root_list: lists names, hidden ones too") {
		AUTO_STRLIST struct strlist names = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(root_list(&t->r, "list", &names, &e), 0);
		strlist_sort(&names);
		CHECK_NUM(names.n, 2);
		CHECK_STR(names.s[0], ".two");
		CHECK_STR(names.s[1], "one");
		CHECK_NUM(root_list(&t->r, "etc/file", &names, &e), -ENOTDIR);
		CHECK_STR(e.msg, "list '/etc/file': Not a directory");
		CHECK_NUM(root_list(&t->r, "nowhere", &names, &e), -ENOENT);
	}
}

#define NOBODY	65534

/* As another user would have made it; root alone can do that, and is who runs the program. */
static bool made_by(const struct tree *t, const char *link, uid_t uid)
{
	return fchownat(t->r.fd, link, uid, uid, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_owner(const struct tree *t)
{
	if (geteuid())
		return;
	TEST("root: another user's link is not followed, at the end or on the way, to read, write or make") {
		CHECK(made_by(t, "absolute", NOBODY) && made_by(t, "a/dirlink", NOBODY) && made_by(t, "dangling", NOBODY));
		CHECK_AT("absolute", "ELOOP");
		CHECK_AT("twice", "ELOOP");
		CHECK_AT("a/dirlink/file", "ELOOP");
		CHECK_NUM(root_openat(&t->r, "absolute", O_WRONLY, 0), -ELOOP);
		CHECK_NUM(root_openat(&t->r, "dangling", O_WRONLY | O_CREAT, 0600), -ELOOP);
		CHECK_NUM(root_replace(&t->r, "a/dirlink/file", "x", 0600, NULL), -ELOOP);
		CHECK_NUM(root_mkdir(&t->r, "a/dirlink/new", NULL), -ELOOP);
		CHECK_NUM(root_unlink(&t->r, "a/dirlink/file", NULL), -ELOOP);
		CHECK(!root_exists(&t->r, "etc/nowhere"));
		CHECK_AT("a/b/file", "deep");
	}
	TEST("root: the message tells of it") {
		AUTO_ERR struct err e = { 0 };
		AUTO_FREE char *text = NULL;
		size_t len;

		CHECK_NUM(root_read(&t->r, "absolute", &text, &len, &e), -ELOOP);
		CHECK_STR(e.msg, "read '/absolute': a symbolic link that neither root nor the caller has made, or too many links");
	}
	TEST("root: another user's link is shown and taken away as the link that it is") {
		AUTO_FREE char *target = NULL;

		CHECK_NUM(root_readlink(&t->r, "absolute", &target, NULL), 0);
		CHECK_STR(target, "/etc/file");
		CHECK_NUM(root_replace(&t->r, "etc/../dangling", "mine", 0600, NULL), 0);
		CHECK_AT("dangling", "mine");
		CHECK_NUM(root_unlink(&t->r, "etc/../dangling", NULL), 0);
		CHECK_NUM(symlinkat("/etc/nowhere", t->r.fd, "dangling"), 0);
		CHECK(made_by(t, "absolute", 0) && made_by(t, "a/dirlink", 0));
	}
	TEST("root: a link of who has the root directory is followed, for all of it is his") {
		struct root his = t->r;

		CHECK(made_by(t, "absolute", NOBODY));
		his.owner = NOBODY;

		AUTO_FD int fd = root_openat(&his, "absolute", O_RDONLY, 0);

		CHECK(fd >= 0);
		CHECK(made_by(t, "absolute", 0));
	}
	TEST("root: links in /sys, /proc and /etc/pve are nobody's work, whoever they belong to") {
		CHECK_NUM(shell(t->outside, "mkdir -p root/sys/d root/proc root/etc/pve; echo dev > root/sys/d/f; ln -s d root/sys/l; ln -s /sys/d root/proc/l; "
				 "ln -s /sys/d root/etc/pve/local"), 0);
		CHECK(made_by(t, "sys/l", NOBODY) && made_by(t, "proc/l", NOBODY) && made_by(t, "etc/pve/local", NOBODY));
		CHECK_AT("sys/l/f", "dev");
		CHECK_AT("/proc/l/f", "dev");
		CHECK_AT("etc/pve/local/f", "dev");
	}
}

static void test_read(const struct tree *t)
{
	TEST("root_read: counts NULs, and says what it could not read") {
		AUTO_FREE char *text = NULL;
		AUTO_ERR struct err e = { 0 };
		size_t len;

		CHECK_NUM(shell(t->outside, "printf 'a\\0b' > root/nul"), 0);
		CHECK_NUM(root_read(&t->r, "nul", &text, &len, &e), 0);
		CHECK_NUM(len, 3);
		CHECK(!memcmp(text, "a\0b", 4));

		char *none = NULL;

		CHECK_NUM(root_read(&t->r, "nowhere", &none, &len, &e), -ENOENT);
		CHECK_STR(e.msg, "read '/nowhere': No such file or directory");
		CHECK(!none);
	}
	TEST("root_read: takes 16 MiB, and not a byte more") {
		AUTO_FREE char *text = NULL;
		char *none = NULL;
		size_t len = 0;

		CHECK_NUM(shell(t->outside, "truncate -s 16M root/big"), 0);
		CHECK_NUM(root_read(&t->r, "big", &text, &len, NULL), 0);
		CHECK_NUM(len, 16 << 20);
		CHECK_NUM(shell(t->outside, "echo >> root/big"), 0);
		CHECK_NUM(root_read(&t->r, "big", &none, &len, NULL), -EFBIG);
		CHECK(!none);
		root_unlink(&t->r, "big", NULL);
	}
	TEST("root_read_attr: cuts one newline off") {
		static const char *const cases[][2] = {
			{ "number", "42" }, { "bare", "42" }, { "two", "a\n" }, { "empty", "" },
		};

		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			AUTO_FREE char *text = NULL;

			CHECK_NUM(root_read_attr(&t->r, cases[i][0], &text, NULL), 0);
			CHECK_STR(text, cases[i][1]);
		}
	}
	TEST("root_read_number: takes a number and nothing else") {
		static const char *const bad[] = { "words", "two", "empty" };
		AUTO_ERR struct err e = { 0 };
		unsigned long v = 7;

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK_NUM(root_read_number(&t->r, bad[i], &v, &e), -EINVAL);
		CHECK_NUM(v, 7);
		CHECK_STR(e.msg, "read '/empty': '' is not a number");
		CHECK_NUM(root_read_number(&t->r, "two", &v, &e), -EINVAL);
		CHECK_STR(e.msg, "read '/two': 'a\\n' is not a number");
		CHECK_NUM(root_read_number(&t->r, "number", &v, &e), 0);
		CHECK_NUM(v, 42);
		CHECK_NUM(root_read_number(&t->r, "nowhere", &v, &e), -ENOENT);
	}
}

static long elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

static void test_write_attr(const struct tree *t)
{
	TEST("root_write_attr: writes over what was there") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(shell(t->outside, "printf 558 > root/attr"), 0);
		CHECK_NUM(root_write_attr(&t->r, "attr", "0", 0, &e), 0);
		CHECK_AT("attr", "0");
		CHECK_NUM(root_write_attr(&t->r, "attr", "12", 1000, &e), 0);
		CHECK_AT("attr", "12");
	}
	TEST("root_write_attr: makes no file") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(root_write_attr(&t->r, "etc/nowhere", "0", 0, &e), -ENOENT);
		CHECK_STR(e.msg, "write '0' to '/etc/nowhere': No such file or directory");
		CHECK(!root_exists(&t->r, "etc/nowhere"));
	}
	TEST("root_write_attr: gives up on a driver that blocks") {
		/* Open for both sides, so that the pipe fills and stays full. */
		AUTO_FD int fd = root_openat(&t->r, "fifo", O_RDWR | O_NONBLOCK, 0);
		AUTO_ERR struct err e = { 0 };
		struct timespec start;

		CHECK(fd >= 0);
		while (write(fd, "xxxxxxxxxxxxxxxx", 16) > 0)
			;
		clock_gettime(CLOCK_MONOTONIC, &start);
		CHECK_NUM(root_write_attr(&t->r, "fifo", "1", 200, &e), -ETIMEDOUT);

		long ms = elapsed_ms(&start);

		CHECK(ms >= 190 && ms < 5000);
		CHECK_STR(e.msg, "write '1' to '/fifo': Connection timed out");
	}
	TEST("root_write_attr: leaves no timer behind") {
		struct timespec pause = { .tv_nsec = 300000000 };

		CHECK_NUM(root_write_attr(&t->r, "attr", "3", 50, NULL), 0);
		CHECK_NUM(nanosleep(&pause, NULL), 0);
	}
}

static unsigned int count_in(const struct tree *t, const char *dir)
{
	AUTO_STRLIST struct strlist names = { 0 };

	root_list(&t->r, dir, &names, NULL);
	return (unsigned int)names.n;
}

static void test_mkdir(const struct tree *t)
{
	TEST("root_mkdir: makes the directory and those above it, once or twice") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(root_mkdir(&t->r, "run/x/y", &e), 0);
		CHECK_NUM(root_mkdir(&t->r, "run/x/y", &e), 0);
		CHECK_NUM(root_mkdir(&t->r, "run", &e), 0);
		CHECK_NUM(count_in(t, "run/x"), 1);
	}
	TEST("root_mkdir: goes through links inside the root") {
		CHECK_NUM(root_mkdir(&t->r, "slash/absdir/new", NULL), 0);
		CHECK(root_exists(&t->r, "a/b/new"));
	}
	TEST("root_mkdir: a file in its place is a failure") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(root_mkdir(&t->r, "etc/file", &e), -ENOTDIR);
		CHECK_STR(e.msg, "make directory '/etc/file': Not a directory");
		CHECK_NUM(root_mkdir(&t->r, "etc/file/x", &e), -ENOTDIR);
	}
}

static void test_replace(const struct tree *t)
{
	TEST("root_replace: makes a file and replaces it, nothing is left beside it") {
		AUTO_ERR struct err e = { 0 };
		struct stat st = { 0 };

		CHECK_NUM(root_mkdir(&t->r, "var", &e), 0);
		CHECK_NUM(root_replace(&t->r, "var/state", "one\n", 0600, &e), 0);
		CHECK_AT("var/state", "one");
		CHECK_NUM(root_replace(&t->r, "var/state", "two\n", 0600, &e), 0);
		CHECK_AT("var/state", "two");
		CHECK_NUM(fstatat(t->r.fd, "var/state", &st, 0), 0);
		CHECK_NUM(st.st_mode & 07777, 0600);
		CHECK_NUM(count_in(t, "var"), 1);
	}
	TEST("root_replace: who has the old file open keeps the old text") {
		char buf[8] = { 0 };

		root_replace(&t->r, "var/state", "old", 0600, NULL);

		AUTO_FD int fd = root_openat(&t->r, "var/state", O_RDONLY, 0);

		CHECK_NUM(root_replace(&t->r, "var/state", "new", 0600, NULL), 0);
		CHECK_NUM(read(fd, buf, sizeof(buf) - 1), 3);
		CHECK_STR(buf, "old");
		CHECK_AT("var/state", "new");
	}
	TEST("root_replace: a link at the path is replaced, not followed") {
		CHECK_NUM(symlinkat("/etc/file", t->r.fd, "var/link"), 0);
		CHECK_NUM(root_replace(&t->r, "var/link", "mine", 0600, NULL), 0);
		CHECK_AT("var/link", "mine");
		CHECK_AT("etc/file", "inside");
	}
	TEST("root_replace: a link planted where the temporary file goes is not followed") {
		AUTO_FREE char *tmp = xasprintf("var/.plant.%d.tmp", (int)getpid());

		CHECK_NUM(symlinkat("/etc/file", t->r.fd, tmp), 0);
		CHECK_NUM(root_replace(&t->r, "var/plant", "mine", 0600, NULL), 0);
		CHECK_AT("var/plant", "mine");
		CHECK_AT("etc/file", "inside");
		CHECK(!root_exists(&t->r, tmp));
	}
	TEST("root_replace: a failure leaves the old file and no temporary one") {
		AUTO_ERR struct err e = { 0 };
		unsigned int before = count_in(t, "a");

		CHECK_NUM(root_replace(&t->r, "a/b", "x", 0600, &e), -EISDIR);
		CHECK_STR(e.msg, "write '/a/b': Is a directory");
		CHECK_NUM(count_in(t, "a"), before);
		CHECK_NUM(root_replace(&t->r, "nowhere/x", "x", 0600, &e), -ENOENT);
		CHECK_NUM(root_replace(&t->r, "x", "x", 0600, &e), -EINVAL);
	}
}

static void test_symlink(const struct tree *t)
{
	TEST("root_symlink: keeps its target word for word, and takes nobody's place") {
		AUTO_FREE char *target = NULL;
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(root_symlink(&t->r, "/etc/file", "var/mine", &e), 0);
		CHECK_NUM(root_readlink(&t->r, "var/mine", &target, NULL), 0);
		CHECK_STR(target, "/etc/file");
		CHECK_NUM(root_symlink(&t->r, "/other", "var/mine", &e), -EEXIST);
		CHECK_STR(e.msg, "make link '/var/mine': File exists");
		CHECK_NUM(root_symlink(&t->r, "/other", "nowhere/link", NULL), -ENOENT);
		CHECK_NUM(root_symlink(&t->r, "/other", "top", NULL), 0);
		CHECK_NUM(unlinkat(t->r.fd, "top", 0), 0);
		CHECK_NUM(root_unlink(&t->r, "var/mine", NULL), 0);
	}
}

static void test_unlink(const struct tree *t)
{
	TEST("root_unlink: removes a file, and its absence is success") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(root_unlink(&t->r, "var/state", &e), 0);
		CHECK(!root_exists(&t->r, "var/state"));
		CHECK_NUM(root_unlink(&t->r, "var/state", &e), 0);
		CHECK_NUM(root_unlink(&t->r, "nowhere/state", &e), 0);
	}
	TEST("root_unlink: removes a link, not what it leads to") {
		CHECK_NUM(symlinkat("/etc/file", t->r.fd, "var/again"), 0);
		CHECK_NUM(root_unlink(&t->r, "var/again", NULL), 0);
		CHECK_AT("etc/file", "inside");
	}
	TEST("root_unlink: a directory is a failure") {
		AUTO_ERR struct err e = { 0 };

		CHECK(root_unlink(&t->r, "a/b", &e) < 0);
		CHECK_HAS(e.msg, "remove '/a/b': ");
	}
}

static void test_outside(const struct tree *t)
{
	TEST("root: nothing outside it has changed") {
		CHECK_NUM(shell(t->outside, "test \"$(cat etc/file)\" = outside"), 0);
		CHECK_NUM(shell(t->outside, "test \"$(ls -A | tr '\\n' ' ')\" = 'etc root '"), 0);
	}
}

/* From here on openat2 answers with that, in this process alone. */
static bool openat2_fails(unsigned int errnum)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errnum),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Whether paths are read as ever while openat2 fails; told by a child's exit status. */
static bool reads_without(const struct root *r, unsigned int errnum)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		AUTO_FREE char *text = NULL;
		size_t len;
		bool well = openat2_fails(errnum) && syscall(__NR_openat2, -1, "", NULL, 0) < 0 && errno == (int)errnum &&
			    root_read(r, "a/climbs", &text, &len, NULL) == 0 && !strcmp(text, "inside\n");

		_exit(well ? 0 : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void test_without_openat2(void)
{
	struct tree t = { 0 };

	TEST("openat2 that is not there, forbidden, or overtaken by others' renames: by hand") {
		t = tree_make(false);
		CHECK(reads_without(&t.r, ENOSYS));
		CHECK(reads_without(&t.r, EPERM));
		CHECK(reads_without(&t.r, EAGAIN));
	}
	tree_free(&t);
}

static void test_misc(void)
{
	TEST("root_open: says what it could not open") {
		struct root r = ROOT_CLOSED;
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(root_open(&r, "/nowhere/at/all", &e), -ENOENT);
		CHECK_STR(e.msg, "open root directory '/nowhere/at/all': No such file or directory");
		CHECK_NUM(root_open(&r, "/dev/null", &e), -ENOTDIR);
		CHECK_NUM(r.fd, -1);
		root_close(&r);
	}
	TEST("path_base: is what stands behind the last slash") {
		CHECK_STR(path_base("../../a/b"), "b");
		CHECK_STR(path_base("b"), "b");
		CHECK_STR(path_base("a/"), "");
	}
}

int main(void)
{
	for (int walk = 0; walk < 2; walk++) {
		struct tree t = { 0 };

		TEST("a tree to work in") {
			t = tree_make(walk);
		}
		printf("# paths are resolved by: %s\n", t.how);
		test_resolved(&t);
		test_open(&t);
		test_look(&t);
		test_owner(&t);
		test_read(&t);
		test_write_attr(&t);
		test_mkdir(&t);
		test_replace(&t);
		test_symlink(&t);
		test_unlink(&t);
		test_outside(&t);
		tree_free(&t);
	}
	test_without_openat2();
	test_misc();
	return tap_done();
}
