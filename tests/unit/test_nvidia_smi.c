/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <signal.h>

#include "clock.h"
#include "nvidia_smi.h"
#include "tree.h"

static const char *const lgi[] = { "mig", "-i", "0000:21:00.0", "-lgi", NULL };

static void program(const char *text)
{
	AUTO_FREE char *script = xasprintf("#!/bin/sh\n%s\n", text);

	tree_put("usr/bin/nvidia-smi", script);

	AUTO_FD int fd = root_openat(&tree, "usr/bin/nvidia-smi", O_RDONLY, 0);

	CHECK(fchmod(fd, 0755) == 0);
}

static void test_answer(void)
{
	TEST("nvidia-smi: that it is not there is told apart") {
		AUTO_ERR struct err e = { 0 };
		AUTO_FREE char *text = NULL;

		CHECK_NUM(nvidia_smi(&tree, lgi, 5000, &text, &e), -ENOENT);
		CHECK_HAS(e.msg, "run '/usr/bin/nvidia-smi'");
		CHECK(!text);
	}
	TEST("nvidia-smi: arguments as they are, both streams, an environment and a standard input of our own") {
		AUTO_FREE char *text = NULL;

		setenv("SECRET", "x", 1);
		program("printf '<%s>' \"$@\"; echo err >&2; echo \"$SECRET,$PATH,$LC_ALL\"; cat");
		CHECK_NUM(nvidia_smi(&tree, lgi, 5000, &text, NULL), 0);
		CHECK_STR(text, "<mig><-i><0000:21:00.0><-lgi>err\n,/usr/sbin:/usr/bin:/sbin:/bin,C\n");
	}
	TEST("nvidia-smi: a failure has its status and first line, and what was printed") {
		AUTO_ERR struct err e = { 0 };
		AUTO_FREE char *text = NULL;

		program("echo 'No GPU instances found: Not Found'; exit 6");
		CHECK_NUM(nvidia_smi(&tree, lgi, 5000, &text, &e), -EIO);
		CHECK_HAS(e.msg, "failed with status 6: 'No GPU instances found: Not Found'");
		CHECK_STR(text, "No GPU instances found: Not Found\n");
	}
}

static void test_hangs(void)
{
	TEST("nvidia-smi: one that hangs is killed, with what it has started") {
		AUTO_ERR struct err e = { 0 };
		AUTO_FREE char *text = NULL, *pid = NULL;
		int64_t begun = clock_ms();

		program("cd \"${0%/*}\"; sleep 100 & echo $! > pid; wait");
		CHECK_NUM(nvidia_smi(&tree, lgi, 700, &text, &e), -ETIMEDOUT);
		CHECK_HAS(e.msg, "gave no answer within 700 ms");
		CHECK(clock_ms() - begun < 20000);
		pid = tree_get("usr/bin/pid");
		CHECK(pid);
		/* Its parent is gone: it ends, or is a zombie until somebody reaps it. */
		for (int i = 0; pid && i < 500 && kill(atoi(pid), 0) == 0; i++) {
			AUTO_FREE char *path = xasprintf("/proc/%d/stat", atoi(pid));
			AUTO_FILE FILE *f = fopen(path, "r");
			char state = 'Z';

			if (!f || fscanf(f, "%*d %*s %c", &state) != 1 || state == 'Z')
				break;
			CHECK(i < 499);
			clock_sleep_ms(10);
		}
	}
}

static void test_unusable(void)
{
	TEST("nvidia-smi: what cannot be run, and what prints without end") {
		AUTO_ERR struct err e = { 0 };
		AUTO_FREE char *text = NULL;

		tree_put("usr/bin/nvidia-smi", "no program");
		AUTO_FD int fd = root_openat(&tree, "usr/bin/nvidia-smi", O_RDONLY, 0);

		CHECK(fchmod(fd, 0644) == 0);
		CHECK_NUM(nvidia_smi(&tree, lgi, 5000, &text, &e), -EIO);
		CHECK_HAS(e.msg, "could not be run");
		err_clear(&e);
		free(take_ptr(text));
		program("yes");
		CHECK_NUM(nvidia_smi(&tree, lgi, 20000, &text, &e), -EFBIG);
		CHECK(!text);
	}
}

static void test_link(void)
{
	TEST("nvidia-smi: a link out of the root is resolved within it") {
		AUTO_FREE char *text = NULL;

		program("echo inside");
		CHECK(shell(tree_dir, "cd usr/bin && mv nvidia-smi real && ln -s /usr/bin/real nvidia-smi") == 0);
		CHECK_NUM(nvidia_smi(&tree, lgi, 5000, &text, NULL), 0);
		CHECK_STR(text, "inside\n");
	}
}

int main(void)
{
	tree_begin();
	test_answer();
	test_hangs();
	test_unusable();
	test_link();
	return tap_done();
}
