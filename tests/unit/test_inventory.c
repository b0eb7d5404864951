/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node.h"

static struct catalog cat;

static void test_uuids(void)
{
	char uuid[UUID_TEXT_LEN];
	unsigned int vmid, index;

	TEST("vgpu_pve_uuid: index and vmid in decimal, and back") {
		vgpu_pve_uuid(100, 0, uuid);
		CHECK_STR(uuid, "00000000-0000-0000-0000-000000000100");
		vgpu_pve_uuid(999999999, 15, uuid);
		CHECK_STR(uuid, "00000015-0000-0000-0000-000999999999");
		CHECK(vgpu_pve_uuid_parse(uuid, &vmid, &index));
		CHECK_NUM(vmid, 999999999);
		CHECK_NUM(index, 15);
	}
	TEST("vgpu_pve_uuid_parse: what is not of the pattern is nobody's") {
		static const char *const bad[] = {
			"", "x", "00000016-0000-0000-0000-000000000100", "0000000a-0000-0000-0000-000000000100",
			"00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-000000000099",
			"00000000-0000-0000-0000-001000000000", "00000000-0000-4000-0000-000000000100",
			"00000000-0000-0000-0000-000000000100 ",
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK(!vgpu_pve_uuid_parse(bad[i], &vmid, &index));
	}
	TEST("framework_parse: the names that framework_name gives, and no others") {
		enum framework f;

		CHECK_NUM(framework_parse("nvidia-vfio", &f), 0);
		CHECK_NUM(f, FRAMEWORK_NVIDIA_VFIO);
		CHECK_STR(framework_name(f), "nvidia-vfio");
		CHECK(framework_parse("MDEV", &f) < 0);
		CHECK(framework_parse("", &f) < 0);
	}
}

static void test_rules(void)
{
	const struct vgpu_type *q2 = type_make(&cat, 1, "GRID P40-2Q", 12);
	const struct vgpu_type *b4 = type_make(&cat, 2, "GRID P40-2B4", 12);
	const struct vgpu_type *q24 = type_make(&cat, 3, "GRID P40-24Q", 1);
	const struct vgpu_type *p40[] = { q2, b4, q24 };
	const struct vgpu_type *mig = type_make(&cat, 4, "GRID A100-1-5C", 7);
	const struct vgpu_type *c40 = type_make(&cat, 5, "GRID A100-40C", 1);
	const struct vgpu_type *a100[] = { mig, c40 };

	TEST("room by rule: equal sizes of any series, max_instance over the GPU") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "3b:00.0", 0, p40, 3);
		CHECK_NUM(gpu_room_by_rule(&inv, inv.gpus, q2), 12);
		CHECK_NUM(gpu_room_by_rule(&inv, inv.gpus, q24), 1);
		vgpu_make(&inv, "3b:00.0", "3b:00.0", b4, 0);
		CHECK_NUM(gpu_room_by_rule(&inv, inv.gpus, q2), 11);
		CHECK_NUM(gpu_room_by_rule(&inv, inv.gpus, b4), 11);
		CHECK_NUM(gpu_room_by_rule(&inv, inv.gpus, q24), 0);
		CHECK_NUM(gpu_used_mib(&inv, inv.gpus), 2048);
		CHECK_NUM(gpu_total_mib(inv.gpus), 24576);
	}
	TEST("room by rule: with SR-IOV never more than VFs are free") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "3b:00.0", 4, p40, 3);
		CHECK_NUM(gpu_limit(inv.gpus, q2), 4);
		CHECK_NUM(gpu_room_by_rule(&inv, inv.gpus, q2), 4);
		vgpu_make(&inv, "3b:00.0", "3b:00.5", q2, 0);
		CHECK_NUM(gpu_free_parents(&inv, inv.gpus), 3);
		CHECK(!parent_is_free(&inv, inv.gpus, &inv.gpus[0].parents[1]));
		CHECK_NUM(gpu_room_by_rule(&inv, inv.gpus, q2), 3);
	}
	TEST("limit: max_instance, else by size where the GPU's is known, else unknown") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		const struct vgpu_type *n2 = type_make(&cat, 10, "NVIDIA L4-2Q", 0);
		const struct vgpu_type *n24 = type_make(&cat, 11, "NVIDIA L4-24Q", 0);
		const struct vgpu_type *both[] = { n2, n24 };

		gpu_make(&inv, "3b:00.0", 32, both, 2);
		CHECK_NUM(gpu_limit(inv.gpus, n2), 12);
		gpu_make(&inv, "5e:00.0", 32, both, 1);
		CHECK_NUM(gpu_limit(&inv.gpus[1], n2), 0);
		CHECK_NUM(gpu_total_mib(&inv.gpus[1]), 0);
		CHECK_NUM(gpu_room_by_rule(&inv, &inv.gpus[1], n2), 32);
	}
	TEST("sizes: MIG-backed types do not count, and do not meet others") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "3b:00.0", 4, a100, 2);
		vgpu_make(&inv, "3b:00.0", "3b:00.4", mig, 0);
		CHECK_NUM(gpu_total_mib(inv.gpus), 40960);
		CHECK(!gpu_holds_other_size(&inv, inv.gpus, mig));
		CHECK(gpu_holds_other_size(&inv, inv.gpus, c40));
	}
}

static void test_list(void)
{
	const struct vgpu_type *t = type_make(&cat, 1, "GRID P40-2Q", 12);

	TEST("inventory: found by address, parent and UUID in any case; dropped one by one") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct bdf vf = addr_of("5e:00.5"), none = addr_of("5e:00.7");

		gpu_make(&inv, "5e:00.0", 2, &t, 1);
		gpu_make(&inv, "3b:00.0", 2, &t, 1);
		inventory_sort_gpus(&inv);
		CHECK_STR(BDF_STR(&inv.gpus[0].addr), "0000:3b:00.0");
		CHECK(inventory_gpu_of(&inv, &vf) == &inv.gpus[1]);
		CHECK(!inventory_gpu_of(&inv, &none));
		for (int i = 0; i < 5; i++)
			vgpu_make(&inv, "5e:00.0", i ? "5e:00.4" : "5e:00.5", t, 0);
		snprintf(inv.vgpus[3].uuid, UUID_TEXT_LEN, "abcdef00-0000-4000-8000-000000000000");
		CHECK(inventory_by_uuid(&inv, "ABCDEF00-0000-4000-8000-000000000000") == &inv.vgpus[3]);
		CHECK(!inventory_by_uuid(&inv, ""));
		CHECK(inventory_on(&inv, &vf) == &inv.vgpus[0]);
		inventory_drop(&inv, 0);
		CHECK(!inventory_on(&inv, &vf));
		CHECK_NUM(inv.nvgpus, 4);
		CHECK_STR(inv.vgpus[2].uuid, "abcdef00-0000-4000-8000-000000000000");
		vgpu_make(&inv, "5e:00.0", "5e:00.5", t, 0);
		inventory_drop(&inv, 4);
		inventory_drop(&inv, 0);
		CHECK_NUM(inv.nvgpus, 3);
		inventory_forget_vgpus(&inv);
		CHECK_NUM(inv.nvgpus, 0);
		CHECK_NUM(inv.ngpus, 2);
	}
	TEST("assumed offers: a GPU that was never seen offers what its kind does") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "3b:00.0", 2, &t, 1);
		gpu_make(&inv, "5e:00.0", 2, NULL, 0);
		gpu_make(&inv, "af:00.0", 2, NULL, 0);
		inv.gpus[1].seen = inv.gpus[2].seen = false;
		inv.gpus[2].framework = FRAMEWORK_NVIDIA_VFIO;
		inventory_assume_offers(&inv);
		CHECK(gpu_offer(&inv.gpus[1], t));
		CHECK(!gpu_offer(&inv.gpus[2], t));
		inventory_assume_offers(&inv);
		CHECK_NUM(inv.gpus[1].noffers, 1);
	}
}

int main(void)
{
	test_uuids();
	test_rules();
	test_list();
	catalog_free(&cat);
	return tap_done();
}
