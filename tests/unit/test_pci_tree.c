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

int main(void)
{
	struct tree t;

	TEST("pci_list: addresses alone, sorted; a directory that is missing has none") {
		AUTO_BDF_LIST struct bdf_list l = { 0 }, none = { 0 };

		t = tree_make(TREE);
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

		t = tree_make(TREE);
		CHECK_NUM(pci_list(&t.r, "sys/bus/pci/devices/bind", &l, &e), -ENOTDIR);
		CHECK_HAS(e.msg, "list '/sys/bus/pci/devices/bind'");
		tree_free(&t);
	}
	TEST("pci_physfn, pci_exists: a VF, a function that is none, one that is gone, a bad link") {
		struct bdf vf = addr_of("e8:00.4"), pf = addr_of("e8:00.0"), gone = addr_of("ff:00.0");
		struct bdf odd = addr_of("01:00.0"), got;

		t = tree_make(TREE);
		CHECK_NUM(pci_physfn(&t.r, &vf, &got), 0);
		CHECK_STR(BDF_STR(&got), "0000:e8:00.0");
		CHECK_NUM(pci_physfn(&t.r, &pf, &got), -ENOENT);
		CHECK(pci_physfn(&t.r, &odd, &got) < 0);
		CHECK(pci_exists(&t.r, &pf));
		CHECK(!pci_exists(&t.r, &gone));
		tree_free(&t);
	}
	TEST("pci_virtfns: by number, not by text; what is no VF's link is passed over") {
		AUTO_BDF_LIST struct bdf_list l = { 0 };
		struct bdf pf = addr_of("e8:00.0"), gone = addr_of("ff:00.0");
		AUTO_ERR struct err e = { 0 };

		t = tree_make(TREE);
		CHECK_NUM(pci_virtfns(&t.r, &pf, &l, NULL), 0);
		CHECK_NUM(l.n, 3);
		CHECK_STR(BDF_STR(&l.b[1]), "0000:e8:01.0");
		CHECK_STR(BDF_STR(&l.b[2]), "0000:e8:02.4");
		CHECK_NUM(pci_virtfns(&t.r, &gone, &l, &e), -ENOENT);
		CHECK_HAS(e.msg, "0000:ff:00.0");
		CHECK_NUM(l.n, 3);
		tree_free(&t);
	}
	return tap_done();
}
