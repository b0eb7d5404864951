/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "vmproc.h"

#include <sys/file.h>
#include <unistd.h>

#include "tree.h"

#define PIDFILE "/var/run/qemu-server/100.pid"

/* The words of a command line end in NULs, here written as '|'. */
static pid_t pid_for(const char *words)
{
	AUTO_FREE char *text = xstrdup(words);
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (text[i] == '|')
			text[i] = '\0';
	tree_put_bytes("proc/4242/cmdline", text, len);
	return vm_qemu_pid(&tree, 100);
}

static void link_fd(const char *fd, const char *target)
{
	AUTO_FREE char *path = xasprintf("%s/proc/%s", tree_dir, fd);
	AUTO_FREE char *dir = xasprintf("proc/%s", fd);

	*strrchr(dir, '/') = '\0';
	CHECK_NUM(root_mkdir(&tree, dir, NULL), 0);
	CHECK_NUM(symlink(target, path), 0);
}

static void test_qemu_pid(void)
{
	TEST("vm_qemu_pid: no pid file, and one that holds no pid") {
		static const char *const bad[] = { "", "\n", "0\n", "-1\n", "x\n", "42 43\n", "99999999999\n" };

		CHECK_NUM(vm_qemu_pid(&tree, 100), 0);
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			tree_put("run/qemu-server/100.pid", bad[i]);
			CHECK_NUM(vm_qemu_pid(&tree, 100), 0);
		}
	}
	TEST("vm_qemu_pid: the process must be QEMU with this very pid file, as PVE has it") {
		tree_put("run/qemu-server/100.pid", "4242\n");
		CHECK_NUM(vm_qemu_pid(&tree, 100), 0);
		CHECK_NUM(pid_for("/usr/bin/kvm|-id|100|-pidfile|" PIDFILE "|-daemonize|"), 4242);
		CHECK_NUM(pid_for("/usr/bin/qemu-system-x86_64|-pidfile|" PIDFILE "|"), 4242);
		CHECK_NUM(pid_for("/usr/libexec/pve-vgpu/kvm|--pidfile|" PIDFILE "|"), 4242);
		CHECK_NUM(pid_for("/usr/bin/qemu-|-pidfile|" PIDFILE "|"), 0);
		CHECK_NUM(pid_for("/usr/bin/sleep|-pidfile|" PIDFILE "|"), 0);
		CHECK_NUM(pid_for("/usr/bin/kvm|-pidfile|/var/run/qemu-server/101.pid|"), 0);
		CHECK_NUM(pid_for("/usr/bin/kvm|-pidfile|" PIDFILE ".x|"), 0);
		CHECK_NUM(pid_for("/usr/bin/kvm|-name|" PIDFILE "|"), 0);
		CHECK_NUM(pid_for("/usr/bin/kvm|-pidfile|"), 0);
		CHECK_NUM(pid_for("/usr/bin/kvm"), 0);
		CHECK_NUM(pid_for(""), 0);
	}
}

static void test_lock_held(void)
{
	TEST("vm_lock_held: while somebody has the lock, and not for having been asked") {
		CHECK(!vm_lock_held(&tree, 100));
		tree_put("var/lock/qemu-server/lock-100.conf", "");
		CHECK(!vm_lock_held(&tree, 100));

		AUTO_FD int fd = root_openat(&tree, "var/lock/qemu-server/lock-100.conf", O_RDWR, 0);

		CHECK_NUM(flock(fd, LOCK_EX | LOCK_NB), 0);
		CHECK(vm_lock_held(&tree, 100));
		CHECK_NUM(flock(fd, LOCK_SH | LOCK_NB), 0);
		CHECK(!vm_lock_held(&tree, 100));
		CHECK_NUM(flock(fd, LOCK_UN), 0);
		CHECK(!vm_lock_held(&tree, 100));
		CHECK_NUM(flock(fd, LOCK_EX | LOCK_NB), 0);
	}
	TEST("vm_lock_held: a FIFO, a link or a directory in the lock's place proves nothing, and nobody waits for it") {
		static const char *const plants[] = { "mkfifo", "mkdir", "ln -s lock-100.conf" };

		for (size_t i = 0; i < ARRAY_SIZE(plants); i++) {
			CHECK_NUM(shell(tree_dir, "%s var/lock/qemu-server/lock-102.conf", plants[i]), 0);
			alarm(10);
			CHECK_HAS(vm_lock_held(&tree, 102), "is not root's");
			alarm(0);
			CHECK_NUM(shell(tree_dir, "rm -r var/lock/qemu-server/lock-102.conf"), 0);
		}
		CHECK(!vm_lock_held(&tree, 102));
	}
	TEST("vm_lock_held: a directory that others can write to, or have made, proves nothing") {
		CHECK_NUM(shell(tree_dir, "chmod 1777 var/lock/qemu-server"), 0);
		CHECK_HAS(vm_lock_held(&tree, 102), "is not root's");
		CHECK_NUM(shell(tree_dir, "chmod 755 var/lock/qemu-server"), 0);
		CHECK(!vm_lock_held(&tree, 102));
		if (geteuid() == 0) {
			CHECK_NUM(shell(tree_dir, "chown 65534 var/lock/qemu-server"), 0);
			CHECK_HAS(vm_lock_held(&tree, 102), "is not root's");
			CHECK_NUM(shell(tree_dir, "chown 0 var/lock/qemu-server"), 0);
		}
	}
}

static void test_vfio_users(void)
{
	TEST("vfio_users: who has what, and nothing that only looks like it") {
		AUTO_VFIO_USERS struct vfio_users u = { 0 };
		AUTO_STRLIST struct strlist group = { 0 }, cdev = { 0 }, none = { 0 };

		link_fd("4242/fd/7", "/dev/vfio/42");
		link_fd("4242/fd/8", "/dev/vfio/vfio");
		link_fd("4243/fd/9", "/dev/vfio/devices/vfio3");
		link_fd("4244/fd/1", "/tmp/dev/vfio/42");
		link_fd("4244/fd/2", "socket:[1]");
		link_fd("self/fd/2", "/dev/vfio/77");
		strlist_add(&group, "42");
		strlist_add(&cdev, "devices/vfio3");
		strlist_add(&none, "4");
		strlist_add(&none, "77");
		vfio_users_read(&tree, &u);
		CHECK_NUM(vfio_user_of(&u, &group), 4242);
		CHECK_NUM(vfio_user_of(&u, &cdev), 4243);
		CHECK_NUM(vfio_user_of(&u, &none), 0);
		CHECK(vfio_used_by(&u, &group, 4242));
		CHECK(!vfio_used_by(&u, &group, 4243));
	}
	TEST("vfio_users: without a /proc nobody has anything") {
		AUTO_VFIO_USERS struct vfio_users u = { 0 };
		struct root nowhere = ROOT_CLOSED;
		AUTO_FREE char *path = xasprintf("%s/run", tree_dir);

		CHECK_NUM(root_open(&nowhere, path, NULL), 0);
		vfio_users_read(&nowhere, &u);
		CHECK_NUM(u.n, 0);
		root_close(&nowhere);
	}
}

int main(void)
{
	tree_begin();
	test_qemu_pid();
	test_lock_held();
	test_vfio_users();
	return tap_done();
}
