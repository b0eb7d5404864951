/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>

#include "node.h"
#include "pci_tree.h"

#define TREE "mkdir -p sys/bus/pci/devices sys/devices/p; cd sys/devices/p;" \
	"mkdir 0000:e8:00.0 0000:e8:00.4 0000:e8:01.0 0000:e8:02.4 0000:01:00.0;" \
	"ln -s ../0000:e8:00.0 0000:e8:00.4/physfn; ln -s ../nonsense 0000:01:00.0/physfn;" \
	"ln -s ../0000:e8:00.4 0000:e8:00.0/virtfn0; ln -s ../0000:e8:01.0 0000:e8:00.0/virtfn2;" \
	"ln -s ../0000:e8:02.4 0000:e8:00.0/virtfn10; touch 0000:e8:00.0/virtfn3;" \
	"ln -s ../0000:e8:02.4 0000:e8:00.0/virtfnX; ln -s ../odd 0000:e8:00.0/virtfn4;" \
	"for d in *; do ln -s ../../../devices/p/$d ../../bus/pci/devices/$d; done;" \
	"touch ../../bus/pci/devices/bind; "

static void test_list(void)
{
	TEST("pci_list: addresses alone, sorted; a directory that is missing has none") {
		AUTO_BDF_LIST struct bdf_list l = { 0 }, none = { 0 };
		struct tree t = tree_make(TREE);

		CHECK_NUM(pci_list(&t.r, "sys/bus/pci/devices", &l, NULL), 0);
		CHECK_NUM(l.n, 5);
		CHECK_STR(BDF_STR(&l.b[0]), "0000:01:00.0");
		CHECK_STR(BDF_STR(&l.b[4]), "0000:e8:02.4");
		CHECK_NUM(pci_list(&t.r, "sys/class/mdev_bus", &none, NULL), 0);
		CHECK_NUM(none.n, 0);
		tree_free(&t);
	}
	TEST("pci_list: what is no directory is a failure that names it") {
		AUTO_BDF_LIST struct bdf_list l = { 0 };
		AUTO_ERR struct err e = { 0 };
		struct tree t = tree_make(TREE);

		CHECK_NUM(pci_list(&t.r, "sys/bus/pci/devices/bind", &l, &e), -ENOTDIR);
		CHECK_HAS(e.msg, "list '/sys/bus/pci/devices/bind'");
		tree_free(&t);
	}
}

static void test_physfn(void)
{
	TEST("pci_physfn, pci_exists: a VF, a function that is none, one that is gone, a bad link") {
		struct bdf vf = addr_of("e8:00.4"), pf = addr_of("e8:00.0"), gone = addr_of("ff:00.0");
		struct bdf odd = addr_of("01:00.0"), got;
		struct tree t = tree_make(TREE);

		CHECK_NUM(pci_physfn(&t.r, &vf, &got), 0);
		CHECK_STR(BDF_STR(&got), "0000:e8:00.0");
		CHECK_NUM(pci_physfn(&t.r, &pf, &got), -ENOENT);
		CHECK(pci_physfn(&t.r, &odd, &got) < 0);
		CHECK(pci_exists(&t.r, &pf));
		CHECK(!pci_exists(&t.r, &gone));
		tree_free(&t);
	}
}

static void test_virtfns(void)
{
	TEST("pci_virtfns: by number, not by text; what is no VF's link is passed over") {
		AUTO_BDF_LIST struct bdf_list l = { 0 };
		struct bdf pf = addr_of("e8:00.0"), gone = addr_of("ff:00.0");
		AUTO_ERR struct err e = { 0 };
		struct tree t = tree_make(TREE);

		CHECK_NUM(pci_virtfns(&t.r, &pf, &l, NULL), 0);
		CHECK_NUM(l.n, 3);
		CHECK_STR(BDF_STR(&l.b[1]), "0000:e8:01.0");
		CHECK_STR(BDF_STR(&l.b[2]), "0000:e8:02.4");
		CHECK_NUM(pci_virtfns(&t.r, &gone, &l, &e), -ENOENT);
		CHECK_HAS(e.msg, "0000:ff:00.0");
		CHECK_NUM(l.n, 3);
		tree_free(&t);
	}
	TEST("pci_virtfns: VFs at equal distances, over the end of a bus; and where one lies elsewhere") {
		struct bdf pf = addr_of("e8:00.0");
		/* 40 VFs from e8:1e.4 on, two apart: the last one is e9:08.2. */
		static const char many[] = "d=sys/bus/pci/devices/0000:e8:00.0; mkdir -p $d; i=0; while [ $i -lt 40 ]; do"
			" r=$((0xe8f4 + 2 * i)); ln -s ../$(printf '0000:%02x:%02x.%x' $((r >> 8)) $((r >> 3 & 31)) $((r & 7)))"
			" $d/virtfn$i; i=$((i + 1)); done;";
		static const struct {
			const char *then, *at17;
			size_t n;
		} cases[] = {
			{ ":", "0000:e9:02.6", 40 },
			{ "ln -sfn ../0000:ea:00.0 $d/virtfn39", "0000:e9:02.6", 40 },
			{ "ln -sfn ../0000:e8:1e.5 $d/virtfn1", "0000:e9:02.6", 40 },
			{ "rm $d/virtfn17", "0000:e9:03.0", 39 },
			{ "rm $d/virtfn1; touch $d/virtfn1", "0000:e9:03.0", 39 },
		};

		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			AUTO_FREE char *commands = xasprintf("%s%s", many, cases[i].then);
			AUTO_BDF_LIST struct bdf_list l = { 0 };
			struct tree t = tree_make(commands);

			CHECK_NUM(pci_virtfns(&t.r, &pf, &l, NULL), 0);
			CHECK_NUM(l.n, cases[i].n);
			CHECK_STR(l.n > 17 ? BDF_STR(&l.b[17]) : NULL, cases[i].at17);
			tree_free(&t);
		}
	}
}

int main(void)
{
	test_list();
	test_physfn();
	test_virtfns();
	return tap_done();
}
