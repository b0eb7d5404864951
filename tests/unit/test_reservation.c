/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "reservation.h"

#include <errno.h>
#include <sys/file.h>

#include "clock.h"
#include "tree.h"

#define FILE_PATH "run/qemu-server/pci-id-reservations"

static const struct bdf vf = { 0, 0x3b, 0, 4 }, other_vf = { 0, 0x3b, 0, 5 };

static void check_kept(const char *text)
{
	AUTO_RESERVATIONS struct reservation_list l = { 0 };

	reservation_parse(text, &l);

	AUTO_FREE char *again = reservation_print(&l);

	CHECK_STR(again, text);
}

static void qemu(unsigned int vmid, int pid)
{
	AUTO_FREE char *pidfile = xasprintf("run/qemu-server/%u.pid", vmid);
	AUTO_FREE char *text = xasprintf("%d\n", pid);
	AUTO_FREE char *cmdline = xasprintf("proc/%d/cmdline", pid);
	char args[128];
	int len = snprintf(args, sizeof(args), "/usr/bin/kvm%c-pidfile%c/var/run/qemu-server/%u.pid%c",
			   0, 0, vmid, 0);

	tree_put(pidfile, text);
	tree_put_bytes(cmdline, args, (size_t)len);
}

static int set(unsigned int vmid, int64_t until, pid_t pid, struct err *e)
{
	return reservation_set(&tree, &vf, 1, vmid, until, pid, clock_ms() + 1000, e);
}

static void test_lines(void)
{
	TEST("reservation: a line by time and a line by pid") {
		AUTO_RESERVATIONS struct reservation_list l = { 0 };

		reservation_parse("0000:3b:00.4 100 time:1700000000\n3b:00.5 101 pid:42\n", &l);
		CHECK_NUM(l.n, 2);
		CHECK(bdf_eq(&l.r[0].dev, &vf));
		CHECK_NUM(l.r[0].vmid, 100);
		CHECK_NUM(l.r[0].time, 1700000000);
		CHECK_NUM(l.r[0].pid, 0);
		CHECK(bdf_eq(&l.r[1].dev, &other_vf));
		CHECK_NUM(l.r[1].vmid, 101);
		CHECK_NUM(l.r[1].pid, 42);
	}
	TEST("reservation: a line that is none has no VM and is kept") {
		static const char *const bad[] = {
			"", "x", "0000:3b:00.4", "0000:3b:00.4 100", "0000:3b:00.4 100 time:", "0000:3b:00.4 100 time:x",
			"0000:3b:00.4 100 time:-1", "0000:3b:00.4 100 pid:99999999999", "0000:3b:00.4 0 time:1",
			"0000:3b:00.4 100 time:1 more", "0000:3b:00.g 100 time:1", "0000:3b:00.4 1e2 time:1",
			"0000:3b:00.4 100 until:1", "0000:3b:00.4 1000000000 time:1",
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			AUTO_RESERVATIONS struct reservation_list l = { 0 };
			AUTO_FREE char *text = xasprintf("%s\n", bad[i]);

			reservation_parse(text, &l);
			CHECK_NUM(l.n, 1);
			CHECK_NUM(l.r[0].vmid, 0);
			CHECK(!reservation_holds(&tree, &l.r[0]));
			check_kept(text);
		}
		check_kept("");
		check_kept("\n\n0000:3b:00.4 100 time:1\n\n  # a\r\n\xff\n");
	}
}

static void test_holds(void)
{
	TEST("reservation_holds: a time holds until it is over") {
		struct reservation r = { .vmid = 100, .time = clock_epoch() + 100 };

		CHECK(reservation_holds(&tree, &r));
		r.time = clock_epoch() - 1;
		CHECK(!reservation_holds(&tree, &r));
		r = (struct reservation){ .vmid = 100 };
		CHECK(!reservation_holds(&tree, &r));
	}
	TEST("reservation_holds: a pid holds while it is that VM's QEMU") {
		struct reservation r = { .vmid = 100, .pid = 4242 };

		CHECK(!reservation_holds(&tree, &r));
		qemu(100, 4242);
		CHECK(reservation_holds(&tree, &r));
		r.pid = 4243;
		CHECK(!reservation_holds(&tree, &r));
		r = (struct reservation){ .vmid = 101, .pid = 4242 };
		CHECK(!reservation_holds(&tree, &r));
	}
}

static void test_set(void)
{
	TEST("reservation_set: makes the file, changes its own line and leaves the others") {
		CHECK_NUM(set(100, 1234567890, 0, NULL), 0);
		AUTO_FREE char *made = tree_get(FILE_PATH);
		CHECK_STR(made, "0000:3b:00.4 100 time:1234567890\n");

		tree_put(FILE_PATH, "junk\n0000:3b:00.4 100 time:1\n\n0000:3b:00.5 200 time:99999999999\n");
		CHECK_NUM(set(100, 0, 42, NULL), 0);
		AUTO_FREE char *changed = tree_get(FILE_PATH);
		CHECK_STR(changed, "junk\n\n0000:3b:00.5 200 time:99999999999\n0000:3b:00.4 100 pid:42\n");
	}
	TEST("reservation_set: another VM's line that holds is EBUSY, one that does not is replaced") {
		AUTO_ERR struct err e = { 0 };

		tree_put(FILE_PATH, "0000:3b:00.4 200 time:99999999999\n");
		CHECK_NUM(set(100, 1, 0, &e), -EBUSY);
		CHECK_STR(e.msg, "PVE has reserved 0000:3b:00.4 for vm 200");
		AUTO_FREE char *same = tree_get(FILE_PATH);
		CHECK_STR(same, "0000:3b:00.4 200 time:99999999999\n");

		tree_put(FILE_PATH, "0000:3b:00.4 200 time:1\n0000:3b:00.4 100 pid:1\n");
		CHECK_NUM(set(100, 5, 0, NULL), 0);
		AUTO_FREE char *replaced = tree_get(FILE_PATH);
		CHECK_STR(replaced, "0000:3b:00.4 100 time:5\n");
	}
}

static void test_drop(void)
{
	TEST("reservation_drop: takes this VM's line alone, and nothing where there is none") {
		tree_put(FILE_PATH, "0000:3b:00.4 200 time:1\n0000:3b:00.5 100 time:1\n");
		CHECK_NUM(reservation_drop(&tree, &vf, 1, 100, 0, NULL), 0);
		AUTO_FREE char *same = tree_get(FILE_PATH);
		CHECK_STR(same, "0000:3b:00.4 200 time:1\n0000:3b:00.5 100 time:1\n");
		CHECK_NUM(reservation_drop(&tree, &other_vf, 1, 100, 0, NULL), 0);
		AUTO_FREE char *less = tree_get(FILE_PATH);
		CHECK_STR(less, "0000:3b:00.4 200 time:1\n");
		CHECK_NUM(reservation_drop(&tree, NULL, 0, 100, 0, NULL), 0);
	}
}

static void test_locked(void)
{
	TEST("reservation_set: PVE's lock is waited for until the deadline, which is not EBUSY") {
		AUTO_FD int fd = root_openat(&tree, FILE_PATH ".lock", O_RDWR | O_CREAT, 0644);
		AUTO_ERR struct err e = { 0 };
		int64_t begin = clock_ms();

		CHECK_NUM(flock(fd, LOCK_EX), 0);
		CHECK_NUM(reservation_set(&tree, &vf, 1, 100, 1, 0, begin + 600, &e), -ETIMEDOUT);
		CHECK(clock_ms() - begin >= 600 && clock_ms() - begin < 3000);
		CHECK_HAS(e.msg, "another process has held PVE's lock '/run/qemu-server/pci-id-reservations.lock' for");
		CHECK_HAS(e.hint, "fuser -v");
	}
	TEST("reservation_drop: PVE's lock is waited for a moment where the deadline is over") {
		AUTO_FD int fd = root_openat(&tree, FILE_PATH ".lock", O_RDWR | O_CREAT, 0644);
		int64_t begin = clock_ms();

		CHECK_NUM(flock(fd, LOCK_EX), 0);
		CHECK_NUM(reservation_drop(&tree, &vf, 1, 100, begin - 1, NULL), -ETIMEDOUT);
		CHECK(clock_ms() - begin >= 500);
	}
}

static void test_read(void)
{
	TEST("reservation_read: a file that is missing has none, a NUL ends no file") {
		AUTO_RESERVATIONS struct reservation_list l = { 0 }, none = { 0 };

		tree_put_bytes(FILE_PATH, "a\0b\n3b:00.4 100 time:1\n", 23);
		CHECK_NUM(reservation_read(&tree, &l, NULL), 0);
		CHECK_NUM(l.n, 2);
		CHECK_NUM(l.r[1].vmid, 100);
		CHECK_NUM(root_unlink(&tree, FILE_PATH, NULL), 0);
		CHECK_NUM(reservation_read(&tree, &none, NULL), 0);
		CHECK_NUM(none.n, 0);
	}
}

int main(void)
{
	tree_begin();
	test_lines();
	test_holds();
	test_set();
	test_drop();
	test_locked();
	test_read();
	return tap_done();
}
