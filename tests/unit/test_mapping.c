/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>

#include "mapping_ensure.h"
#include "tree.h"

#define E1	"id=10de:2235,iommugroup=11,node=here,path=0000:e8:00.4,subsystem-id=10de:145a"
#define E2	"id=10de:2235,iommugroup=12,node=here,path=0000:e8:00.5,subsystem-id=10de:145a"
#define E3	"id=10de:2235,iommugroup=13,node=here,path=0000:e8:00.6,subsystem-id=10de:145a"
#define P40	"id=10de:1b38,iommugroup=30,node=here,path=0000:3b:00.0,subsystem-id=10de:11d9"
#define FAR	"id=10de:2235,iommugroup=99,node=there,path=0000:01:00.4,subsystem-id=10de:145a"

static struct bdf at(const char *text)
{
	struct bdf b = { 0 };

	CHECK_NUM(bdf_parse(text, &b), 0);
	return b;
}

static void device(const char *bdf, const char *id, const char *sub, unsigned int group, bool types)
{
	CHECK_NUM(shell(tree_dir, "d=sys/bus/pci/devices/%s; mkdir -p $d; echo 0x10de >$d/vendor;"
			"echo %s >$d/device; echo 0x10de >$d/subsystem_vendor; echo %s >$d/subsystem_device;"
			"ln -sfn ../../../../kernel/iommu_groups/%u $d/iommu_group; %s $d/mdev_supported_types",
			bdf, id, sub, group, types ? "mkdir -p" : "rm -rf"), 0);
}

/* VFs of an A40, one of them without types, and a P40. */
static void make_devices(void)
{
	device("0000:e8:00.4", "0x2235", "0x145a", 11, true);
	device("0000:e8:00.5", "0x2235", "0x145a", 12, true);
	device("0000:e8:00.6", "0x2235", "0x145a", 13, true);
	device("0000:3b:00.0", "0x1b38", "0x11d9", 30, true);
	device("0000:e8:00.7", "0x2235", "0x145a", 14, false);
}

static void check_fault(const char *raw, bool mdev, const char *want)
{
	struct mapping_entry m;

	mapping_entry_parse(raw, &m);

	AUTO_FREE char *got = mapping_entry_fault(&tree, &m, mdev);

	CHECK_STR(got, want);
	mapping_entry_free(&m);
}

/* Plan for e8:00.4 and e8:00.5 over a mapping of these lines; want: entries and what is said, one a line. */
static void check_plan(const char *lines, int rc, const char *want)
{
	struct bdf parents[] = { at("e8:00.4"), at("e8:00.5") };
	AUTO_FREE char *text = xasprintf("a40\n%s", lines ? lines : "");
	AUTO_MAPPINGS struct mapping_list l = { 0 };
	AUTO_MAPPING_PLAN struct mapping_plan p = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_NUM(mapping_list_parse(text, strlen(text), "f", &l, NULL), 0);
	CHECK_NUM(mapping_plan(&tree, "here", lines ? &l.m[0] : NULL, "a40", parents, 2, &p, &e), rc);

	AUTO_FREE char *entries = strlist_join(&p.entries, "\n");
	AUTO_FREE char *said = strlist_join(&p.said, "\n");
	AUTO_FREE char *got = xasprintf("%s%s%s%s", entries, p.change ? "\n*\n" : "\n-\n", said,
					p.create ? "\ncreate" : "");

	CHECK_STR(rc < 0 ? e.msg : got, want);
	CHECK_NUM(!p.change, rc < 0 || strstr(want, "\n-\n") != NULL);
}

static void test_pci_cfg(void)
{
	TEST("pci.cfg: mappings, their flags and entries") {
		static const char text[] = "a40\n\tmap " E1 "\n\tmap " FAR "\n\tmdev 1\n\n"
			"x\n\tmap " E1 "\n\nusb-like\n\tlive-migration-capable 1\n\tmap node=here\n"
			"\tmap path=0000:01:00;0000:02:00.1,node=here,id=1:2\n";
		AUTO_MAPPINGS struct mapping_list l = { 0 };

		CHECK_NUM(mapping_list_parse(text, strlen(text), "f", &l, NULL), 0);
		CHECK_NUM(l.n, 2);
		CHECK(mapping_find(&l, "a40") == &l.m[0] && !mapping_find(&l, "x"));
		CHECK(l.m[0].mdev && !l.m[0].live_migration && l.m[0].n == 2);
		CHECK_STR(l.m[0].entries[0].node, "here");
		CHECK_STR(l.m[0].entries[0].id, "10de:2235");
		CHECK_STR(l.m[0].entries[0].subsystem_id, "10de:145a");
		CHECK_STR(l.m[0].entries[0].iommugroup, "11");
		CHECK_STR(l.m[0].entries[0].paths.s[0], "0000:e8:00.4");
		CHECK(!l.m[1].mdev && l.m[1].live_migration);
		CHECK(l.m[1].entries[0].bad && !l.m[1].entries[1].bad);
		CHECK_NUM(l.m[1].entries[1].paths.n, 2);
	}
	TEST("the file that is not there has no mappings") {
		AUTO_MAPPINGS struct mapping_list l = { 0 };

		CHECK_NUM(mapping_list_read(&tree, &l, NULL), 0);
		CHECK_NUM(l.n, 0);
	}
}

static void test_entry_of_a_function(void)
{
	TEST("the entry of a function, as PVE checks it") {
		struct bdf fn = at("e8:00.4"), gone = at("ff:00.0");
		AUTO_FREE char *raw = NULL;
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(mapping_entry_of(&tree, "here", &fn, &raw, NULL), 0);
		CHECK_STR(raw, E1);
		CHECK_NUM(mapping_entry_of(&tree, "here", &gone, &raw, &e), -ENOENT);
		CHECK_HAS(e.msg, "0000:ff:00.0/vendor");
	}
	TEST("without IOMMU and subsystem the entry has neither") {
		struct bdf fn = at("0a:00.0");
		AUTO_FREE char *raw = NULL;

		tree_put("sys/bus/pci/devices/0000:0a:00.0/vendor", "0x8086\n");
		tree_put("sys/bus/pci/devices/0000:0a:00.0/device", "0x1234\n");
		CHECK_NUM(mapping_entry_of(&tree, "here", &fn, &raw, NULL), 0);
		CHECK_STR(raw, "id=8086:1234,node=here,path=0000:0a:00.0");
		check_fault(raw, false, NULL);
		check_fault("id=8086:1234,iommugroup=-1,node=here,path=0000:0a:00.0", false,
			    "the entry has iommugroup=-1, and the device has none");
	}
}

static void test_entry_against_the_hardware(void)
{
	TEST("what disagrees with the hardware is named") {
		check_fault(E1, true, NULL);
		check_fault(E1, false, "device 0000:e8:00.4 offers vGPU types, and the mapping is not for mediated devices");
		check_fault("id=10de:2236,iommugroup=11,node=here,path=0000:e8:00.4,subsystem-id=10de:145a", true,
			    "the entry has id=10de:2236, and the device 10de:2235");
		check_fault("id=10de:2235,iommugroup=1,node=here,path=0000:e8:00.4,subsystem-id=10de:145a", true,
			    "the entry has iommugroup=1, and the device 11");
		check_fault("id=10de:2235,iommugroup=11,node=here,path=0000:e8:00.4", true,
			    "the entry lacks subsystem-id=10de:145a");
		check_fault("id=10de:2235,node=here,path=0000:e9:00.4", true, "there is no device 0000:e9:00.4");
		check_fault("id=10de:2235,node=here,path=nonsense", true, "'nonsense' is no PCI address");
		check_fault("id=10de:2235,node=here", true, "PVE cannot read the entry");
		check_fault("id=10de:2235,iommugroup=14,node=here,path=0000:e8:00.7,subsystem-id=10de:145a", true,
			    "device 0000:e8:00.7 offers no vGPU types, and the mapping is for mediated devices");
		check_fault("id=10de:2235,iommugroup=11,node=here,path=0000:e8:00.4;0000:e8:00.5,subsystem-id=10de:145a", true,
			    "an entry with several paths is one device of several functions, which mdev= does not take");
	}
	TEST("a whole device is looked at by its function 0") {
		check_fault("id=10de:1b38,iommugroup=30,node=here,path=0000:3b:00,subsystem-id=10de:11d9", true, NULL);
	}
}

static void test_plan_adds_what_lacks(void)
{
	TEST("a new mapping has all parents") {
		check_plan(NULL, 0, E1 "\n" E2 "\n*\nadd 2 devices of node 'here'\ncreate");
	}
	TEST("one that has them stays as it is, whatever the order") {
		check_plan("\tmdev 1\n\tmap " E2 "\n\tmap " FAR "\n\tmap " E1 "\n", 0, E2 "\n" FAR "\n" E1 "\n-\n");
	}
	TEST("it is extended; what other nodes have stays") {
		check_plan("\tmdev 1\n\tmap " FAR "\n\tmap " E1 "\n", 0,
			   FAR "\n" E1 "\n" E2 "\n*\nadd 1 device of node 'here'");
	}
}

static void test_plan_replaces_what_is_stale(void)
{
	TEST("stale entries of this node are replaced, and functions of the same board stay") {
		check_plan("\tmdev 1\n\tmap id=10de:2235,iommugroup=7,node=here,path=0000:e8:00.4,subsystem-id=10de:145a\n"
			   "\tmap " E3 "\n\tmap id=1:2,node=here,path=0000:99:00.0\n\tmap " E2 "\n\tmap " E2 "\n", 0,
			   E3 "\n" E2 "\n" E1 "\n*\n"
			   "drop entry 'id=10de:2235,iommugroup=7,node=here,path=0000:e8:00.4,subsystem-id=10de:145a': "
			   "the entry has iommugroup=7, and the device 11\n"
			   "drop entry 'id=1:2,node=here,path=0000:99:00.0': there is no device 0000:99:00.0\n"
			   "drop entry '" E2 "': the device is there twice\nadd 1 device of node 'here'");
	}
}

static void test_plan_refuses_another_mapping(void)
{
	TEST("another board that works is refused, and a mapping without the mdev flag") {
		check_plan("\tmdev 1\n\tmap " P40 "\n", -EEXIST,
			   "mapping 'a40' is something else: its entry '" P40
			   "' is right, and for a device that is none of those asked for");
		check_plan("\tmap " E1 "\n", -EEXIST,
			   "mapping 'a40' is something else: it is not marked for mediated devices (mdev)");
	}
}

static void test_plan_leaves_out_what_has_no_types(void)
{
	TEST("a parent that shows no types now is left out, and its entry goes") {
		device("0000:e8:00.5", "0x2235", "0x145a", 12, false);
		check_plan(NULL, 0, E1 "\n*\nleave out 1 device, which offers no vGPU types now\n"
			   "add 1 device of node 'here'\ncreate");
		check_plan("\tmdev 1\n\tmap " E1 "\n\tmap " E2 "\n", 0,
			   E1 "\n*\nleave out 1 device, which offers no vGPU types now\ndrop entry '" E2 "': device "
			   "0000:e8:00.5 offers no vGPU types, and the mapping is for mediated devices");
		check_plan("\tmdev 1\n\tmap " E1 "\n", 0,
			   E1 "\n-\nleave out 1 device, which offers no vGPU types now");
	}
	TEST("a mapping of nothing is refused") {
		device("0000:e8:00.4", "0x2235", "0x145a", 11, false);
		check_plan(NULL, -ENODEV, "mapping 'a40': none of its 2 devices offers vGPU types now");
		device("0000:e8:00.4", "0x2235", "0x145a", 11, true);
	}
}

static void test_check(void)
{
	TEST("mapping_check: each fault of this node's entries, with the mapping's name") {
		static const char text[] = "a40\n\tmap " E1 "\n\tmap id=1:2,node=here,path=0000:99:00.0\n\tmap " FAR "\n";
		AUTO_MAPPINGS struct mapping_list l = { 0 };
		AUTO_STRLIST struct strlist here = { 0 }, far = { 0 };

		CHECK_NUM(mapping_list_parse(text, strlen(text), "f", &l, NULL), 0);
		mapping_check(&tree, &l.m[0], "here", &here);
		mapping_check(&tree, &l.m[0], "elsewhere", &far);
		CHECK_NUM(here.n, 2);
		CHECK_STR(here.s[0], "mapping 'a40': not marked for mediated devices (mdev)");
		CHECK_STR(here.s[1], "mapping 'a40': entry 'id=1:2,node=here,path=0000:99:00.0': there is no device 0000:99:00.0");
		CHECK_STR(far.s[1], "mapping 'a40': no entry for node 'elsewhere'");
	}
}

static void test_names(void)
{
	TEST("names of mappings") {
		CHECK(mapping_id_ok("a40") && mapping_id_ok("A40_x-1"));
		CHECK(!mapping_id_ok("a") && !mapping_id_ok("4a") && !mapping_id_ok("a.b") && !mapping_id_ok(""));
	}
}

int main(void)
{
	tree_begin();
	make_devices();
	test_pci_cfg();
	test_entry_of_a_function();
	test_entry_against_the_hardware();
	test_plan_adds_what_lacks();
	test_plan_replaces_what_is_stale();
	test_plan_refuses_another_mapping();
	test_plan_leaves_out_what_has_no_types();
	test_check();
	test_names();
	return tap_done();
}
