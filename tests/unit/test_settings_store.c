/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "settings_store.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "clock.h"
#include "cluster_lock.h"
#include "settings_edit.h"
#include "settings_file.h"
#include "tree.h"

#define LOCK	"etc/pve/priv/lock/pve-vgpu"

static int replace_by(void *arg, const char *text, size_t len, char **out, struct err *e)
{
	(void)text, (void)len, (void)e;
	*out = arg ? xstrdup(arg) : NULL;
	return 0;
}

static int set_text(const char *text, struct err *e)
{
	AUTO_FREE char *copy = xstrdup(text);

	return settings_change(&tree, replace_by, copy, e);
}

static void check_text(const char *want)
{
	AUTO_FREE char *got = tree_get(SETTINGS_PATH);

	CHECK_STR(got, want);
}

/* How many temporary files and locks are there. */
static int leftovers(void)
{
	return shell(tree_dir, "exit $(find etc/pve -name '.pve-vgpu*' -o -name pve-vgpu -type d | wc -l)");
}

static void drop_lock(void)
{
	unlinkat(tree.fd, LOCK, AT_REMOVEDIR);
}

/* Adds one line, "# <arg>"; all lines there are stay. */
static int append(void *arg, const char *text, size_t len, char **out, struct err *e)
{
	(void)e, (void)len;
	*out = xasprintf("%s# %s\n", text, (const char *)arg);
	return 0;
}

static pid_t spawn_appender(const char *name, unsigned int times)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (unsigned int i = 0; i < times; i++) {
		AUTO_FREE char *line = xasprintf("%s-%u", name, i);

		if (settings_change(&tree, append, line, NULL) < 0)
			_exit(1);
	}
	_exit(0);
}

static int reap(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_plain(void)
{
	TEST("settings_change: writes nothing where /etc/pve is not mounted") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(root_mkdir(&tree, "etc/pve", NULL), 0);
		CHECK_NUM(set_text("# a\n", &e), -ENOENT);
		CHECK_HAS(e.msg, "/etc/pve is not mounted");
		CHECK_NUM(shell(tree_dir, "rmdir etc/pve"), 0);
	}
	TEST("settings_change: makes the file, replaces it, and leaves nothing beside it") {
		tree_put("etc/pve/nodes/pve1/qemu-server/100.conf", "");
		CHECK_NUM(set_text("# a\n", NULL), 0);
		check_text("# a\n");
		CHECK_NUM(set_text("# b\n", NULL), 0);
		check_text("# b\n");
		CHECK_NUM(shell(tree_dir, "test $(stat -c %%a " SETTINGS_PATH ") = 640"), 0);
		CHECK_NUM(leftovers(), 0);
	}
	TEST("settings_change: what changes nothing does not write") {
		struct stat before, after;
		AUTO_FREE char *path = xasprintf("%s/" SETTINGS_PATH, tree_dir);

		CHECK_NUM(stat(path, &before), 0);
		CHECK_NUM(set_text("# b\n", NULL), 0);
		CHECK_NUM(settings_change(&tree, replace_by, NULL, NULL), 0);
		CHECK_NUM(stat(path, &after), 0);
		CHECK_NUM(before.st_ino, after.st_ino);
	}
	TEST("settings_change: more than pmxcfs takes is refused beforehand") {
		AUTO_FREE char *big = xcalloc(SETTINGS_FILE_MAX + 2, 1);
		AUTO_ERR struct err e = { 0 };

		memset(big, '#', SETTINGS_FILE_MAX + 1);
		CHECK_NUM(set_text(big, &e), -EFBIG);
		CHECK_HAS(e.msg, "it would have 1048577 bytes");
		CHECK_HAS(e.hint, "pve-vgpu gc");
		check_text("# b\n");
		big[SETTINGS_FILE_MAX] = '\0';
		CHECK_NUM(set_text(big, NULL), 0);
		CHECK_NUM(set_text("# b\n", NULL), 0);
		CHECK_NUM(leftovers(), 0);
	}
}

static void test_in_the_way(void)
{
	TEST("settings_change: a link is replaced, and a directory is told") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(shell(tree_dir, "cd etc/pve && mv pve-vgpu.conf other && ln -s other pve-vgpu.conf"), 0);
		CHECK_NUM(set_text("# c\n", NULL), 0);
		CHECK_NUM(shell(tree_dir, "cd etc/pve && test ! -L pve-vgpu.conf && grep -qx '# b' other"), 0);
		CHECK_NUM(shell(tree_dir, "cd etc/pve && rm pve-vgpu.conf && mkdir pve-vgpu.conf"), 0);
		CHECK_NUM(set_text("# d\n", &e), -EISDIR);
		CHECK_HAS(e.msg, "change '/etc/pve/pve-vgpu.conf'");
		CHECK_NUM(shell(tree_dir, "cd etc/pve && rmdir pve-vgpu.conf && rm other"), 0);
		CHECK_NUM(leftovers(), 0);
	}
	TEST("settings_change: temporary files of killed writers go, other files stay") {
		tree_put("etc/pve/.pve-vgpu.conf.0123456789abcdef.tmp", "half");
		tree_put("etc/pve/.pve-vgpu.conf.tmp", "not ours");
		tree_put("etc/pve/.storage.cfg.1.tmp", "not ours");
		CHECK_NUM(set_text("# e\n", NULL), 0);
		CHECK_NUM(shell(tree_dir, "cd etc/pve && test ! -e .pve-vgpu.conf.0123456789abcdef.tmp && "
				"rm .pve-vgpu.conf.tmp .storage.cfg.1.tmp"), 0);
	}
	TEST("settings_change: without quorum it says so, and changes nothing") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(shell(tree_dir, "chmod 0555 etc/pve/nodes"), 0);
		CHECK_NUM(set_text("# f\n", &e), -EACCES);
		CHECK_HAS(e.msg, "the cluster has no quorum; nothing was changed");
		CHECK_HAS(e.hint, "pvecm status");
		CHECK_NUM(shell(tree_dir, "chmod 0755 etc/pve/nodes"), 0);
		check_text("# e\n");
		CHECK_NUM(leftovers(), 0);
	}
}

/* --- others --- */

/* What happens while the lock is held: once. */
struct intruder {
	const char *text;	/* for the file */
	bool take_lock;		/* as pmxcfs does once it has expired */
	unsigned int times, called;
};

static int intrude(void *arg, const char *text, size_t len, char **out, struct err *e)
{
	struct intruder *in = arg;

	(void)e, (void)len;
	in->called++;
	if (in->times) {
		in->times--;
		if (in->take_lock)
			drop_lock();
		if (in->text) {
			AUTO_FREE char *more = xasprintf("%s%u\n", in->text, in->times);

			tree_put(SETTINGS_PATH, more);
		}
	}
	*out = xasprintf("%s# mine\n", text);
	return 0;
}

/* The lock expires while a change is under way, and another changes the file. */
static int overtaken(void *arg, const char *text, size_t len, char **out, struct err *e)
{
	(void)arg, (void)e, (void)len;
	drop_lock();
	CHECK_NUM(reap(spawn_appender("other", 1)), 0);
	*out = xasprintf("%s# late\n", text);
	return 0;
}

static int look(void *arg, const char *text, size_t len, char **out, struct err *e)
{
	(void)text, (void)len, (void)out, (void)e;
	*(bool *)arg = root_exists(&tree, LOCK);
	return 0;
}

static void test_others(void)
{
	TEST("settings_change: the lock is held while the change is made, and gone afterwards") {
		bool held = false;

		CHECK_NUM(settings_change(&tree, look, &held, NULL), 0);
		CHECK(held);
		CHECK(!root_exists(&tree, LOCK));
	}
	TEST("settings_change: an editor without a lock is not overwritten") {
		struct intruder once = { .text = "# theirs ", .times = 1 };

		CHECK_NUM(settings_change(&tree, intrude, &once, NULL), 0);
		CHECK_NUM(once.called, 2);
		check_text("# theirs 0\n# mine\n");
	}
	TEST("settings_change: one that goes on and on is told of") {
		struct intruder always = { .text = "# theirs ", .times = 100 };
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(settings_change(&tree, intrude, &always, &e), -EAGAIN);
		CHECK_HAS(e.msg, "something else changes it all the time");
		check_text("# theirs 95\n");
		CHECK_NUM(leftovers(), 0);
	}
	TEST("settings_change: whose lock has expired does not write") {
		struct intruder expire = { .take_lock = true, .times = 1 };
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(set_text("# a\n", NULL), 0);
		CHECK_NUM(settings_change(&tree, intrude, &expire, &e), -ESTALE);
		CHECK_HAS(e.msg, "the lock was lost; nothing was changed");
		check_text("# a\n");
		CHECK_NUM(leftovers(), 0);
	}
	TEST("settings_change: whose lock has gone to another loses nothing of the other's") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(settings_change(&tree, overtaken, NULL, &e), -ESTALE);
		check_text("# a\n# other-0\n");
		CHECK_NUM(leftovers(), 0);
	}
}

static void test_waits(void)
{
	TEST("settings_change: waits for as long as lock-wait says, and then says for what") {
		AUTO_ERR struct err e = { 0 };
		int64_t begin;

		tree_put(SETTINGS_PATH, "[defaults]\nlock-wait = 1\n");
		CHECK_NUM(root_mkdir(&tree, LOCK, NULL), 0);
		begin = clock_ms();
		CHECK_NUM(set_text("# a\n", &e), -EBUSY);
		CHECK(clock_ms() - begin >= 1000);
		CHECK_HAS(e.msg, "lock the settings of the cluster: '/etc/pve/priv/lock/pve-vgpu' is held by another process of the cluster");
		CHECK_HAS(e.hint, "ends after 120 seconds");
		CHECK(root_exists(&tree, LOCK));
		drop_lock();
	}
	TEST("settings_change: asks for the end of an expired lock while it waits") {
		struct stat st = { .st_mtime = 1 };
		AUTO_FREE char *path = xasprintf("%s/" LOCK, tree_dir);

		CHECK_NUM(root_mkdir(&tree, LOCK, NULL), 0);
		CHECK_NUM(set_text("# a\n", NULL), -EBUSY);
		CHECK_NUM(stat(path, &st), 0);
		CHECK_NUM(st.st_mtime, 0);
		drop_lock();
	}
}

static void test_many(void)
{
	TEST("settings_change: of many at once none is lost") {
		enum { WRITERS = 4, TIMES = 10 };
		pid_t pids[WRITERS];

		CHECK_NUM(set_text("# begin\n", NULL), 0);
		for (int i = 0; i < WRITERS; i++)
			pids[i] = spawn_appender((char[2]){ (char)('a' + i), '\0' }, TIMES);
		for (int i = 0; i < WRITERS; i++)
			CHECK_NUM(reap(pids[i]), 0);
		CHECK_NUM(shell(tree_dir, "test $(sort -u " SETTINGS_PATH " | wc -l) = %d", WRITERS * TIMES + 1), 0);
		CHECK_NUM(leftovers(), 0);
	}
	TEST("settings_change: a writer that is killed at any time leaves a whole text, and what else it leaves goes") {
		enum { KILLS = 60 };
		AUTO_FREE char *a = xcalloc(200001, 1), *b = xcalloc(200001, 1);
		unsigned int seen_a = 0, seen_b = 0;

		memset(a, 'a', 200000);
		memset(b, 'b', 200000);
		CHECK_NUM(set_text(a, NULL), 0);
		for (int i = 0; i < KILLS; i++) {
			pid_t pid = fork();

			if (pid == 0) {
				for (;;) {
					set_text(a, NULL);
					set_text(b, NULL);
				}
			}
			struct timespec t = { 0, 3000000 + i * 100000 };

			nanosleep(&t, NULL);
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			/* As pmxcfs does when the time is over. */
			drop_lock();

			AUTO_FREE char *text = tree_get(SETTINGS_PATH);

			seen_a += text && !strcmp(text, a);
			seen_b += text && !strcmp(text, b);
		}
		CHECK_NUM(seen_a + seen_b, KILLS);
		CHECK_NUM(set_text("# end\n", NULL), 0);
		CHECK_NUM(leftovers(), 0);
	}
}

static void test_lock(void)
{
	TEST("cluster_lock: is given up before pmxcfs may give it to another, and left to its time then") {
		AUTO_CLUSTER_LOCK struct cluster_lock l = CLUSTER_LOCK_NONE;

		CHECK_NUM(cluster_lock_take(&tree, "pve-vgpu", "x", 0, &l, NULL), 0);
		CHECK(cluster_lock_holds(&l));
		l.asked_ms -= CLUSTER_LOCK_SAFE_MS;
		CHECK(!cluster_lock_holds(&l));
		cluster_lock_drop(&l);
		CHECK(root_exists(&tree, LOCK));
		CHECK(!cluster_lock_holds(&l));
		drop_lock();
	}
	TEST("cluster_lock: signals that end a program wait until it is dropped, and are let in while it is waited for") {
		AUTO_CLUSTER_LOCK struct cluster_lock l = CLUSTER_LOCK_NONE;
		pid_t pid;
		int status;

		CHECK_NUM(cluster_lock_take(&tree, "pve-vgpu", "x", 0, &l, NULL), 0);
		pid = fork();
		if (pid == 0) {
			struct cluster_lock other = CLUSTER_LOCK_NONE;

			sigprocmask(SIG_SETMASK, &l.mask, NULL);
			fclose(stderr);
			_exit(cluster_lock_take(&tree, "pve-vgpu", "x", clock_ms() + 20000, &other, NULL) < 0);
		}
		kill(pid, SIGTERM);
		CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
		pid = fork();
		if (pid == 0) {
			raise(SIGTERM);
			cluster_lock_drop(&l);
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
		CHECK(!root_exists(&tree, LOCK));
	}
}

int main(void)
{
	tree_begin();
	test_plain();
	test_in_the_way();
	test_others();
	test_waits();
	test_many();
	test_lock();
	return tap_done();
}
