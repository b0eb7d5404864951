/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#include "process.h"
#include "tree.h"

static const char *const args[] = { "set", "100", "--args", "-name 'a b' $HOME", NULL };

static int run(const char *text, bool separate, struct process_result *res, struct err *e)
{
	struct process p = { "usr/sbin/qm", args, 20000, separate };
	AUTO_FREE char *script = xasprintf("#!/bin/sh\n%s\n", text);

	tree_put(p.program, script);

	AUTO_FD int fd = root_openat(&tree, p.program, O_RDONLY, 0);

	CHECK(fchmod(fd, 0755) == 0);
	return process_run(&tree, &p, res, e);
}

static void test_output(void)
{
	TEST("process: arguments go as they are, and errors apart where asked for") {
		AUTO_PROCESS struct process_result res;

		CHECK_NUM(run("printf '<%s>' \"$@\"; echo no >&2", true, &res, NULL), 0);
		CHECK_NUM(res.status, 0);
		CHECK_STR(res.out, "<set><100><--args><-name 'a b' $HOME>");
		CHECK_STR(res.errors, "no\n");
	}
	TEST("process: errors among the output where not") {
		AUTO_PROCESS struct process_result res;

		CHECK_NUM(run("echo no >&2; exit 3", false, &res, NULL), 0);
		CHECK_NUM(res.status, 3);
		CHECK_STR(res.out, "no\n");
		CHECK_STR(res.errors, NULL);
	}
	TEST("process: much on both streams arrives whole") {
		AUTO_PROCESS struct process_result res;

		CHECK_NUM(run("i=0; while [ $i -lt 4000 ]; do echo 0123456789012345678901234567890123456789; "
			      "echo 0123456789012345678901234567890123456789 >&2; i=$((i+1)); done", true, &res, NULL), 0);
		CHECK_NUM(strlen(res.out), 4000 * 41);
		CHECK_NUM(strlen(res.errors), 4000 * 41);
	}
}

static void test_end(void)
{
	TEST("process: one that a signal ends has its number in the status") {
		AUTO_PROCESS struct process_result res;

		CHECK_NUM(run("kill -TERM $$", true, &res, NULL), 0);
		CHECK_NUM(res.status, 128 + 15);
	}
	TEST("process: one that cannot be run says why") {
		AUTO_PROCESS struct process_result res;
		AUTO_ERR struct err e = { 0 };
		struct process p = { "usr/sbin/none", args, 20000, true };

		CHECK_NUM(process_run(&tree, &p, &res, &e), -ENOENT);
		CHECK_STR(e.msg, "run '/usr/sbin/none': No such file or directory");
		err_clear(&e);
		process_result_free(&res);
		tree_put("usr/sbin/none", "#!/nowhere/interpreter\n");
		AUTO_FD int fd = root_openat(&tree, p.program, O_RDONLY, 0);

		CHECK(fchmod(fd, 0755) == 0);
		CHECK_NUM(process_run(&tree, &p, &res, &e), -EIO);
		CHECK_HAS(e.msg, "could not be run: No such file or directory");
	}
}

static void test_begin(void)
{
	TEST("process: it begins with no signal ignored or blocked, and in a directory that is there") {
		AUTO_PROCESS struct process_result res;
		AUTO_FREE char *here = xasprintf("%s/gone", tree_dir);
		sigset_t all, before;

		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, &before);
		signal(SIGXFSZ, SIG_IGN);
		signal(SIGUSR1, SIG_IGN);
		CHECK_NUM(root_mkdir(&tree, "gone", NULL), 0);
		CHECK(chdir(here) == 0 && rmdir(here) == 0);
		/* 32 and 33 are the C library's own: signal() does not know them, and whoever was started by posix_spawn() has them ignored. */
		CHECK_NUM(run("pwd; sed -n 's/^\\(SigIgn:.*\\)18\\(0000000\\)$/\\100\\2/; /^SigBlk:\\|^SigIgn:/p' /proc/self/status", true, &res, NULL), 0);
		CHECK_STR(res.out, "/\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
		CHECK_STR(res.errors, "");
		sigprocmask(SIG_SETMASK, &before, NULL);
		signal(SIGXFSZ, SIG_DFL);
		signal(SIGUSR1, SIG_DFL);
		CHECK(chdir("/") == 0);
	}
}

int main(void)
{
	tree_begin();
	test_output();
	test_end();
	test_begin();
	return tap_done();
}
