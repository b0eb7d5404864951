/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "proc_names.h"
#include "sriov_others.h"
#include "tree.h"
#include "unit_file.h"
#include "units.h"

#define OWN	"etc/systemd/system/"
#define USR	"usr/lib/systemd/system/"
#define GUESTS	"pve-guests.service"

static bool before(const char *unit)
{
	AUTO_FREE char *text = unit_text(&tree, unit);

	return text && unit_file_lists(text, "Before", GUESTS);
}

static void test_unit_text(void)
{
	TEST("unit_look: the first directory counts, and a link to /dev/null masks") {
		CHECK_NUM(unit_look(&tree, "a.service"), UNIT_MISSING);
		CHECK(!unit_text(&tree, "a.service"));
		tree_put(USR "a.service", "[Unit]\nBefore=" GUESTS "\n");
		CHECK_NUM(unit_look(&tree, "a.service"), UNIT_THERE);
		CHECK(before("a.service"));
		tree_put(OWN "a.service", "[Unit]\nAfter=" GUESTS "\n");
		CHECK(!before("a.service"));
		CHECK_NUM(root_unlink(&tree, OWN "a.service", NULL), 0);
		CHECK_NUM(root_symlink(&tree, "/dev/null", OWN "a.service", NULL), 0);
		CHECK_NUM(unit_look(&tree, "a.service"), UNIT_MASKED);
		CHECK(!unit_text(&tree, "a.service"));
		CHECK_NUM(root_unlink(&tree, OWN "a.service", NULL), 0);
	}
	TEST("unit_text: drop-ins by name, each from the first directory that has it") {
		tree_put(USR "a.service.d/20-b.conf", "[Unit]\nBefore=\n");
		CHECK(!before("a.service"));
		tree_put(OWN "a.service.d/20-b.conf", "[Unit]\nBefore=b.service\n");
		CHECK(before("a.service"));
		tree_put(USR "a.service.d/10-a.conf", "[Unit]\nBefore=\n");
		CHECK(!before("a.service"));
		tree_put(USR "a.service.d/30-c.conf", "[Unit]\nBefore=" GUESTS "\n");
		CHECK(before("a.service"));
		tree_put(USR "a.service.d/40-d.conf~", "[Unit]\nBefore=\n");
		CHECK(before("a.service"));
	}
}

static void test_enabled(void)
{
	TEST("units_wanted: what is linked in .wants and .requires") {
		AUTO_STRLIST struct strlist l = { 0 };

		tree_put(OWN "multi-user.target.wants/a.service", "");
		tree_put(OWN "x.target.requires/b@1.service", "");
		tree_put(OWN "x.target.d/c.service", "");
		units_wanted(&tree, &l);
		CHECK_NUM(l.n, 2);
		CHECK(strlist_has(&l, "a.service") && strlist_has(&l, "b@1.service"));
	}
	TEST("sriov_others: units that are enabled, and an instance by its template") {
		AUTO_STRLIST struct strlist l = { 0 };
		struct bdf_list none = { 0 };

		tree_put(USR "b@.service", "[Service]\nExecStart=/usr/lib/nvidia/sriov-manage -e %i\n");
		tree_put(USR "c.service", "[Service]\nExecStart=/usr/lib/nvidia/sriov-manage -e ALL\n");
		sriov_others(&tree, &none, &l);
		CHECK_NUM(l.n, 1);
		CHECK_STR(l.n ? l.s[0] : NULL, "b@1.service");
	}
}

static void test_proc_runs(void)
{
	TEST("proc_runs: by the whole name, and nothing known without a process") {
		CHECK_NUM(proc_runs(&tree, "bash"), -1);
		tree_put("proc/sys/comm", "bash\n");
		CHECK_NUM(proc_runs(&tree, "bash"), -1);
		tree_put("proc/12/comm", "basher\n");
		tree_put("proc/13/stat", "");
		CHECK_NUM(proc_runs(&tree, "bash"), 0);
		tree_put("proc/14/comm", "bash\n");
		CHECK_NUM(proc_runs(&tree, "bash"), 1);
	}
}

int main(void)
{
	tree_begin();
	test_unit_text();
	test_enabled();
	test_proc_runs();
	return tap_done();
}
