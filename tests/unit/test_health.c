/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What ails a GPU, and what MIG has against a type: the rules, and gathering from plain files. */
#include <string.h>

#include "health.h"
#include "mig.h"
#include "node.h"

static struct catalog cat;
/* Of the A100 one that is time-sliced, and one that is MIG-backed. */
static const struct vgpu_type *a100[2], *a40[1];

static void make_types(void)
{
	a100[0] = type_make(&cat, 468, "GRID A100-4C", 10);
	a100[1] = type_make(&cat, 474, "GRID A100-1-5C", 7);
	a40[0] = type_make(&cat, 575, "NVIDIA A40-24A", 2);
}

/* A GPU that serves: 4 VFs, all bound, types shown. */
static const struct health_facts well = {
	.driver = "nvidia", .nvidia = true, .vgpu_driver = true, .iommu = true, .sriov = true,
	.vfs = 4, .bound_vfs = 4, .types = true,
};

static enum ailment judge(struct health_facts f)
{
	return health_judge(&f);
}

#define CHECK_AILS(want, ...) do { \
	struct health_facts f = well; \
	__VA_ARGS__; \
	CHECK_NUM(judge(f), (want)); \
} while (0)

/* What is found on a tree made by these shell commands, "address:ailment …". */
static char *found(const char *commands, struct inventory *inv)
{
	struct tree t = tree_make(commands);
	AUTO_HEALTH struct health h = { 0 };
	char *text = xstrdup("");

	health_check(&t.r, &cat, inv, true, &h);
	for (size_t i = 0; i < h.n; i++) {
		char *longer = xasprintf("%s%s%s:%d", text, i ? " " : "", BDF_STR(&h.sick[i].addr),
					 (int)h.sick[i].what);

		free(text);
		text = longer;
	}
	tree_free(&t);
	return text;
}

static bool cure_names(enum ailment a, const char *what)
{
	struct bdf gpu = addr_of("0000:e8:00.0");
	AUTO_FREE char *cure = health_cure(a, &gpu);

	return strstr(cure, what);
}

static char *against(enum mig_mode mode, int instances, bool empty, const struct vgpu_type *t)
{
	struct mig m = { mode, instances, empty };
	struct gpu g = { .addr = addr_of("0000:21:00.0") };
	char *cause = NULL;
	AUTO_FREE char *cure = NULL;

	if (!mig_against(&m, &g, t, &cause, &cure))
		return xstrdup("");
	CHECK(strstr(cure, "0000:21:00.0"));
	return cause;
}

#define CHECK_AGAINST(mode, instances, empty, t, want) do { \
	AUTO_FREE char *got_ = against((mode), (instances), (empty), (t)); \
	CHECK_STR(got_, (want)); \
} while (0)

static struct mig look(const char *commands, const struct inventory *inv)
{
	struct tree t = tree_make(commands);
	struct mig m;

	mig_look(&t.r, inv, inv->gpus, &m);
	tree_free(&t);
	return m;
}

/* Device minor 3, and what stands in its mig directory. */
#define PROC(gis) \
	"mkdir -p proc/driver/nvidia/gpus/0000:21:00.0 proc/driver/nvidia/capabilities/gpu3/mig;" \
	"printf 'Model: \\t\\t A100\\nDevice Minor: \\t 3\\nGPU Excluded:\\t No\\n' > proc/driver/nvidia/gpus/0000:21:00.0/information;" \
	"cd proc/driver/nvidia/capabilities/gpu3/mig; : > access;" gis

#define PF "d=sys/bus/pci/devices/0000:e8:00.0; mkdir -p $d sys/bus/pci/drivers/nvidia sys/kernel/iommu_groups/1;"
#define NVIDIA "ln -s ../../drivers/nvidia $d/driver; mkdir sys/bus/pci/drivers/nvidia/0000:e8:00.0;"

static void test_one_that_serves(void)
{
	TEST("health: one that serves is well") {
		CHECK_AILS(AILMENT_NONE, (void)f);
		CHECK_AILS(AILMENT_NONE, f.vfs = f.bound_vfs = 0; f.sriov = false);
	}
	TEST("health: some of the VFs without a driver leave the others to serve, and hide nothing worse") {
		CHECK_AILS(AILMENT_SOME_UNBOUND, f.bound_vfs = 1);
		CHECK_AILS(AILMENT_NO_TYPES, f.bound_vfs = 3; f.types = false);
		CHECK_AILS(AILMENT_VFS_UNBOUND, f.bound_vfs = 0);
		CHECK(cure_names(AILMENT_SOME_UNBOUND, "sriov-manage -e 0000:e8:00.0"));
	}
}

static void test_who_else_has_it(void)
{
	TEST("health: who else has the GPU") {
		CHECK_AILS(AILMENT_PASSTHROUGH, f.driver = "vfio-pci"; f.types = false);
		CHECK_AILS(AILMENT_NOUVEAU, f.driver = "nouveau"; f.types = false);
		CHECK_AILS(AILMENT_UNBOUND, f.driver = ""; f.types = false);
		CHECK_AILS(AILMENT_NO_DRIVER, f.driver = ""; f.nvidia = f.types = false);
		CHECK_AILS(AILMENT_NONE, f.driver = "pci-pf-stub"; f.types = false);
	}
}

static void test_order_of_steps(void)
{
	TEST("health: each step needs those before it") {
		CHECK_AILS(AILMENT_PLAIN_DRIVER, f.types = f.vgpu_driver = f.iommu = false; f.vfs = 0);
		CHECK_AILS(AILMENT_NO_IOMMU, f.types = f.iommu = false; f.vfs = 0);
		CHECK_AILS(AILMENT_NO_VFS, f.types = false; f.vfs = 0);
		CHECK_AILS(AILMENT_VFS_UNBOUND, f.types = false; f.bound_vfs = 0);
		CHECK_AILS(AILMENT_VFS_UNBOUND, f.bound_vfs = 0);
		CHECK_AILS(AILMENT_NO_TYPES, f.types = false);
		CHECK_AILS(AILMENT_NO_TYPES, f.types = f.sriov = false; f.vfs = 0);
		CHECK_AILS(AILMENT_NO_TYPES, f.silent = true);
	}
}

static void test_causes_and_cures(void)
{
	TEST("health: every ailment has a cause and a cure, with the GPU's address where a command takes it") {
		for (enum ailment a = AILMENT_PASSTHROUGH; a <= AILMENT_SOME_UNBOUND; a++) {
			CHECK(*health_cause(a));
			CHECK(!cure_names(a, "%"));
			CHECK(cure_names(a, ""));
		}
		CHECK(cure_names(AILMENT_NO_VFS, "/usr/lib/nvidia/sriov-manage -e 0000:e8:00.0"));
		CHECK(cure_names(AILMENT_VFS_UNBOUND, "sriov-manage -d 0000:e8:00.0; "));
		CHECK(cure_names(AILMENT_NO_TYPES, "systemctl restart nvidia-vgpud"));
		CHECK(cure_names(AILMENT_NO_IOMMU, "intel_iommu=on"));
		CHECK(cure_names(AILMENT_PASSTHROUGH, "echo 0000:e8:00.0 > /sys/bus/pci/drivers/nvidia/bind"));
	}
}

static void test_no_gpus_on_the_tree(void)
{
	TEST("health: a tree without sysfs has no sick GPUs") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		AUTO_FREE char *got = found(":", &inv);

		CHECK_STR(got, "");
	}
	TEST("health: a display device of another vendor, and a network card on vfio-pci, are no GPUs of NVIDIA's") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		AUTO_FREE char *got = found(PF "echo 0x030000 > $d/class; echo 0x1002 > $d/vendor;"
			"n=sys/bus/pci/devices/0000:01:00.0; mkdir $n; echo 0x020000 > $n/class; echo 0x10de > $n/vendor;"
			"ln -s ../../drivers/vfio-pci $n/driver", &inv);

		CHECK_STR(got, "");
	}
	TEST("health: attributes that are missing or garbage are no GPU") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		AUTO_FREE char *got = found(PF "printf '\\377\\000x' > $d/class", &inv);

		CHECK_STR(got, "");
	}
}

static void test_sick_on_the_tree(void)
{
	TEST("health: a display device of NVIDIA's without driver is sick, a VF of it no GPU of its own") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		AUTO_FREE char *got = found(PF "echo 0x030200 > $d/class; echo 0x10de > $d/vendor;"
			"v=sys/bus/pci/devices/0000:e8:00.4; mkdir $v; cp $d/class $d/vendor $v; ln -s ../0000:e8:00.0 $v/physfn",
			&inv);
		AUTO_FREE char *want = xasprintf("0000:e8:00.0:%d", AILMENT_UNBOUND);

		CHECK_STR(got, want);
	}
	TEST("health: on nvidia without VFs, with SR-IOV and the vGPU driver") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		AUTO_FREE char *got = found(PF NVIDIA "mkdir -p sys/module/nvidia_vgpu_vfio; echo 32 > $d/sriov_totalvfs", &inv);
		AUTO_FREE char *want = xasprintf("0000:e8:00.0:%d", AILMENT_NO_VFS);

		CHECK_STR(got, want);
	}
}

static void test_gpu_of_the_inventory(void)
{
	TEST("health: a GPU of the inventory is no stranger") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "e8:00.0", 2, a40, 1);

		AUTO_FREE char *got = found(PF NVIDIA "mkdir sys/bus/pci/devices/0000:e8:00.4", &inv);

		CHECK_STR(got, "");
		inv.gpus[0].unbound = true;
		inv.gpus[0].driverless = inv.gpus[0].nparents;

		AUTO_FREE char *again = found(":", &inv);
		AUTO_FREE char *want = xasprintf("0000:e8:00.0:%d", AILMENT_VFS_UNBOUND);

		CHECK_STR(again, want);
	}
}

static void test_mig_against_a_type(void)
{
	TEST("mig: what is against a type") {
		CHECK_AGAINST(MIG_UNKNOWN, -1, true, a100[1], "");
		CHECK_AGAINST(MIG_OFF, 0, true, a100[0], "");
		CHECK_AGAINST(MIG_OFF, 0, true, a100[1], "MIG mode is off, and A100-1-5C is MIG-backed");
		CHECK_AGAINST(MIG_ON, 2, true, a100[0], "MIG mode is on, and A100-4C is time-sliced");
		CHECK_AGAINST(MIG_ON, 0, true, a100[1], "MIG mode is on and there is no GPU instance");
		CHECK_AGAINST(MIG_ON, -1, true, a100[1], "MIG mode is on and there is no GPU instance of A100-1-5C's profile");
		CHECK_AGAINST(MIG_ON, 2, false, a100[1], "MIG mode is on and no GPU instance of A100-1-5C's profile has room");
	}
}

static void test_mig_by_proc(void)
{
	TEST("mig: /proc/driver/nvidia tells the instances, and with one the mode") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct mig m;

		gpu_make(&inv, "21:00.0", 2, a100, 2);
		m = look(PROC("mkdir gi3 gi7 gi gix gi3x"), &inv);
		CHECK_NUM(m.mode, MIG_ON);
		CHECK_NUM(m.instances, 2);
		m = look(PROC(":"), &inv);
		CHECK_NUM(m.mode, MIG_UNKNOWN);
		CHECK_NUM(m.instances, 0);
		m = look(":", &inv);
		CHECK_NUM(m.mode, MIG_UNKNOWN);
		CHECK_NUM(m.instances, -1);
		m = look("mkdir -p proc/driver/nvidia/gpus/0000:21:00.0; echo 'Device Minor: x' > proc/driver/nvidia/gpus/0000:21:00.0/information", &inv);
		CHECK_NUM(m.instances, -1);
	}
}

static void test_mig_by_room(void)
{
	TEST("mig: room that was asked for tells the mode") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct mig m;

		gpu_make(&inv, "21:00.0", 2, a100, 2);
		inv.gpus[0].offers[0].known = inv.gpus[0].offers[1].known = true;
		m = look(":", &inv);
		CHECK_NUM(m.mode, MIG_ON);
		CHECK_NUM(m.instances, 0);
		inv.gpus[0].offers[1].available = 1;
		m = look(":", &inv);
		CHECK_NUM(m.mode, MIG_ON);
		CHECK_NUM(m.instances, -1);
		inv.gpus[0].offers[1].available = 0;
		inv.gpus[0].offers[0].available = 10;
		CHECK_NUM(look(":", &inv).mode, MIG_OFF);
	}
}

static void test_mig_by_a_vgpu(void)
{
	TEST("mig: a vGPU that runs tells the mode") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "21:00.0", 2, a100, 2);
		vgpu_make(&inv, "21:00.0", "21:00.4", a100[1], 100);
		CHECK_NUM(look(":", &inv).mode, MIG_ON);
		inventory_forget_vgpus(&inv);
		vgpu_make(&inv, "21:00.0", "21:00.4", a100[0], 100);
		CHECK_NUM(look(":", &inv).mode, MIG_OFF);
	}
}

static void test_no_mig_on_the_board(void)
{
	TEST("mig: a board without MIG-backed types on the mdev bus is in no MIG mode") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "e8:00.0", 2, a40, 1);
		CHECK_NUM(look(":", &inv).mode, MIG_OFF);
		CHECK_NUM(look(":", &inv).instances, 0);
	}
}

int main(void)
{
	make_types();
	test_one_that_serves();
	test_who_else_has_it();
	test_order_of_steps();
	test_causes_and_cures();
	test_no_gpus_on_the_tree();
	test_sick_on_the_tree();
	test_gpu_of_the_inventory();
	test_mig_against_a_type();
	test_mig_by_proc();
	test_mig_by_room();
	test_mig_by_a_vgpu();
	test_no_mig_on_the_board();
	catalog_free(&cat);
	return tap_done();
}
