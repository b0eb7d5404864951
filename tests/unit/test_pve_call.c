/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "pve_call.h"

#include <errno.h>
#include <sys/stat.h>

#include "tree.h"

/* `qm set 100`, which is this shell script. */
static int call(const char *text, char **out, struct err *e)
{
	AUTO_FREE char *script = xasprintf("#!/bin/sh\n%s\n", text);
	AUTO_STRLIST struct strlist words = { 0 };

	tree_put(QM, script);

	AUTO_FD int fd = root_openat(&tree, QM, O_RDONLY, 0);

	CHECK(fchmod(fd, 0755) == 0);
	strlist_add(&words, "set");
	strlist_add(&words, "100");
	return pve_call(&tree, QM, &words, out, e);
}

static void test_output(void)
{
	TEST("pve_call: what a tool prints, and nothing where it is not asked for") {
		AUTO_FREE char *out = NULL;

		CHECK_NUM(call("echo \"$*\"; echo warning >&2", &out, NULL), 0);
		CHECK_STR(out, "set 100\n");
		CHECK_NUM(call("echo some", NULL, NULL), 0);
	}
}

static void test_failure(void)
{
	TEST("pve_call: a tool that fails is told by its last line, with those before it") {
		static const char text[] = "printf '400 Parameter verification failed.\\nhostpci0: invalid format\\n\\n' >&2; echo out; exit 255";
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(call(text, NULL, &e), -EIO);
		CHECK_STR(e.msg, "'qm set 100' failed with status 255: 'hostpci0: invalid format' (before that: '400 Parameter verification failed.')");
		err_clear(&e);
		CHECK_NUM(call("echo no >&2; exit 2", NULL, &e), -EIO);
		CHECK_STR(e.msg, "'qm set 100' failed with status 2: 'no'");
		err_clear(&e);
		CHECK_NUM(call("for i in 1 2 3 4 5 6; do echo $i >&2; done; exit 1", NULL, &e), -EIO);
		CHECK_STR(e.msg, "'qm set 100' failed with status 1: '6' (before that: '3', '4', '5')");
	}
	TEST("pve_call: a tool that fails with words on its output alone, or with none, and what does not show in them") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(call("echo only here; exit 1", NULL, &e), -EIO);
		CHECK_STR(e.msg, "'qm set 100' failed with status 1: 'only here'");
		err_clear(&e);
		CHECK_NUM(call("exit 1", NULL, &e), -EIO);
		CHECK_STR(e.msg, "'qm set 100' failed with status 1: it said nothing");
		CHECK_HAS(e.hint, "journalctl");
		err_clear(&e);
		CHECK_NUM(call("kill -9 $$", NULL, &e), -EIO);
		CHECK_STR(e.msg, "'qm set 100' failed with status 137: it said nothing");
		err_clear(&e);
		CHECK_NUM(call("printf 'a\\033[31mb' >&2; exit 1", NULL, &e), -EIO);
		CHECK_STR(e.msg, "'qm set 100' failed with status 1: 'a?[31mb'");
	}
}

static void test_too_much(void)
{
	TEST("pve_call: a tool that says without end") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(call("head -c 5000000 /dev/zero | tr '\\0' x", NULL, &e), -EFBIG);
		CHECK_HAS(e.msg, "/usr/sbin/qm' said more than 4 MiB and was ended");
	}
}

static void test_not_run(void)
{
	TEST("pve_call: a tool that cannot be run") {
		AUTO_STRLIST struct strlist words = { 0 };
		AUTO_ERR struct err e = { 0 };

		tree_put(PVESM, "#!/nonexistent\n");

		AUTO_FD int fd = root_openat(&tree, PVESM, O_RDONLY, 0);

		CHECK_NUM(pve_call(&tree, PVESM, &words, NULL, &e), -EIO);
		CHECK_HAS(e.msg, "/usr/sbin/pvesm' could not be run: Permission denied");
		CHECK_HAS(e.hint, "'dpkg -S /usr/sbin/pvesm' names its package");
		err_clear(&e);
		CHECK(fchmod(fd, 0755) == 0);
		CHECK_NUM(pve_call(&tree, PVESM, &words, NULL, &e), -EIO);
		CHECK_HAS(e.msg, "could not be run: No such file or directory");
		root_unlink(&tree, PVESM, NULL);
	}
	TEST("pve_call: a tool that is not there") {
		AUTO_STRLIST struct strlist words = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(pve_call(&tree, PVESM, &words, NULL, &e), -ENOENT);
		CHECK_STR(e.msg, "run '/usr/sbin/pvesm': No such file or directory");
		CHECK_HAS(e.hint, "Proxmox VE's own tool");
	}
}

int main(void)
{
	tree_begin();
	test_output();
	test_failure();
	test_too_much();
	test_not_run();
	return tap_done();
}
