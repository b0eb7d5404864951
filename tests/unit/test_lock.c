/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "lock.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "clock.h"
#include "tree.h"

static const struct bdf gpu = { 0, 0x3b, 0, 0 };

static void test_held(void)
{
	TEST("lock: the VM's, the node's and the GPU's are apart, each GPU's and VM's too") {
		AUTO_LOCK struct lock vm = LOCK_NONE, other = LOCK_NONE, node = LOCK_NONE, g = LOCK_NONE;

		CHECK_NUM(lock_vm(&tree, 100, "a", 0, &vm, NULL), 0);
		CHECK_NUM(lock_vm(&tree, 101, "a", 0, &other, NULL), 0);
		CHECK_NUM(lock_node(&tree, "a", 0, &node, NULL), 0);
		CHECK_NUM(lock_gpu(&tree, &gpu, "a", 0, &g, NULL), 0);
		CHECK(root_exists(&tree, "run/pve-vgpu/locks/gpu-0000:3b:00.0"));
	}
	TEST("lock: one that is held is refused at once without a deadline, with who holds it") {
		AUTO_LOCK struct lock first = LOCK_NONE, second = LOCK_NONE;
		AUTO_ERR struct err e = { 0 };
		int64_t begin = clock_ms();
		AUTO_FREE char *who = xasprintf("the lock of vm 100 is held by vm 100 pre-start, pid %d", (int)getpid());

		CHECK_NUM(lock_vm(&tree, 100, "vm 100 pre-start", 0, &first, NULL), 0);
		CHECK_NUM(lock_vm(&tree, 100, "gc", 0, &second, &e), -EBUSY);
		CHECK(clock_ms() - begin < 500);
		CHECK_STR(e.msg, who);
		CHECK_HAS(e.hint, "fuser -v /run/pve-vgpu/locks/vm-100");
		CHECK_NUM(second.fd, -1);
		lock_drop(&first);
		CHECK_NUM(first.fd, -1);
		lock_drop(&first);
		CHECK_NUM(lock_vm(&tree, 100, "gc", 0, &second, NULL), 0);
	}
}

static void test_deadline(void)
{
	TEST("lock: a wait ends at its deadline, with SIGALRM ignored or blocked too, and both are as before") {
		AUTO_LOCK struct lock first = LOCK_NONE, second = LOCK_NONE;
		sigset_t alarm_set, mask;
		struct sigaction act;

		sigemptyset(&alarm_set);
		sigaddset(&alarm_set, SIGALRM);
		CHECK_NUM(lock_node(&tree, "a", 0, &first, NULL), 0);
		for (int how = 0; how < 3; how++) {
			int64_t begin = clock_ms(), took;

			signal(SIGALRM, how == 1 ? SIG_IGN : SIG_DFL);
			sigprocmask(how == 2 ? SIG_BLOCK : SIG_UNBLOCK, &alarm_set, NULL);
			alarm(how == 2 ? 0 : 5);
			CHECK_NUM(lock_node(&tree, "b", begin + 200, &second, NULL), -EBUSY);
			took = clock_ms() - begin;
			CHECK(took >= 200 && took < 2000);
			sigaction(SIGALRM, NULL, &act);
			CHECK(act.sa_handler == (how == 1 ? SIG_IGN : SIG_DFL));
			sigprocmask(SIG_BLOCK, NULL, &mask);
			CHECK_NUM(sigismember(&mask, SIGALRM), how == 2);
		}
		sigprocmask(SIG_UNBLOCK, &alarm_set, NULL);
		signal(SIGALRM, SIG_DFL);
	}
}

static void test_dead_holder(void)
{
	TEST("lock: the kernel lets go of it when its holder dies") {
		AUTO_LOCK struct lock mine = LOCK_NONE;
		int ready[2];
		char c;

		CHECK_NUM(pipe(ready), 0);

		pid_t child = fork();

		if (child == 0) {
			struct lock held = LOCK_NONE;

			if (lock_node(&tree, "child", 0, &held, NULL) == 0 && write(ready[1], "x", 1) == 1)
				pause();
			_exit(1);
		}
		CHECK_NUM(read(ready[0], &c, 1), 1);
		CHECK_NUM(lock_node(&tree, "mine", 0, &mine, NULL), -EBUSY);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		CHECK_NUM(lock_node(&tree, "mine", clock_ms() + 1000, &mine, NULL), 0);
		close(ready[0]);
		close(ready[1]);
	}
}

static void test_bad_file(void)
{
	TEST("lock: a link in place of the lock file is not followed, a directory is said") {
		AUTO_LOCK struct lock l = LOCK_NONE;
		AUTO_ERR struct err e = { 0 };
		AUTO_FREE char *path = xasprintf("%s/run/pve-vgpu/locks/vm-102", tree_dir);

		CHECK_NUM(symlink("/etc/passwd", path), 0);
		CHECK_NUM(lock_vm(&tree, 102, "a", 0, &l, &e), -ELOOP);
		CHECK_HAS(e.msg, "open lock '/run/pve-vgpu/locks/vm-102'");
		CHECK_HAS(e.hint, "df /run");
	}
}

int main(void)
{
	tree_begin();
	test_held();
	test_deadline();
	test_dead_holder();
	test_bad_file();
	return tap_done();
}
