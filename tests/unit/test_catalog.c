/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>

#include "node.h"

static const struct bdf gpu = { 0, 0xe8, 0, 0 };

/* The GPU shows this type, too. */
static const struct vgpu_type *offers(struct catalog *c, unsigned int number, const char *name)
{
	const struct vgpu_type *t = type_make(c, number, name, 0);

	catalog_gpu_offers(c, &gpu, &t, 1);
	return t;
}

static void test_saved_and_loaded(void)
{
	TEST("catalog: what was saved is loaded again, and unchanged then") {
		AUTO_CATALOG struct catalog c = { 0 }, again = { 0 };
		struct vgpu_type *type;
		struct tree t = tree_make("mkdir -p proc/driver/nvidia; echo 'NVRM version: 550' > proc/driver/nvidia/version");

		catalog_load(&c, &t.r);
		CHECK_STR(c.driver, "NVRM version: 550");
		type = type_make(&c, 575, "NVIDIA A40-24A", 2);
		type->described = true;
		catalog_add(&c, "i915-GVTg_V5_4", 0, "GVTg_V5_4");
		catalog_gpu_offers(&c, &gpu, (const struct vgpu_type *const *)c.types, 1);
		CHECK(c.changed);
		CHECK_NUM(catalog_save(&c, &t.r, NULL), 0);
		CHECK(!c.changed);
		catalog_load(&again, &t.r);
		CHECK_NUM(again.ntypes, 2);
		CHECK(!again.changed);
		type = catalog_type(&again, "nvidia-575");
		CHECK(type && type->number == 575 && type->framebuffer_mib == 24576 &&
		      type->max_instance == 2 && type->described);
		CHECK_STR(type->full_name, "NVIDIA A40-24A");
		CHECK_NUM(catalog_type(&again, "i915-GVTg_V5_4")->number, 0);
		CHECK(catalog_gpu(&again, &gpu) && catalog_gpu(&again, &gpu)->types[0] == type);
		tree_free(&t);
	}
}

static void test_what_is_not_loaded(void)
{
	TEST("catalog: another driver version, and a damaged file, give an empty one") {
		AUTO_CATALOG struct catalog c = { 0 };
		struct tree t = tree_make("mkdir -p var/lib/pve-vgpu; cat > var/lib/pve-vgpu/types.json <<'J'\n"
			"{\"version\":1,\"driver\":\"other\",\"types\":[{\"type\":\"nvidia-1\",\"full_name\":\"x\"}],\"gpus\":[]}\nJ\n");

		catalog_load(&c, &t.r);
		CHECK_NUM(c.ntypes, 0);
		catalog_free(&c);
		shell(t.path, "printf '{\"version\":1' > var/lib/pve-vgpu/types.json");
		catalog_load(&c, &t.r);
		CHECK_NUM(c.ntypes, 0);
		catalog_free(&c);
		shell(t.path, "printf '{\"version\":2,\"driver\":\"\"}' > var/lib/pve-vgpu/types.json");
		catalog_load(&c, &t.r);
		CHECK_NUM(c.ntypes, 0);
		tree_free(&t);
	}
}

static void test_another_drivers_file(void)
{
	TEST("catalog_load_last: what another driver version had; catalog_fresh: nothing of before") {
		AUTO_CATALOG struct catalog last = { 0 }, fresh = { 0 };
		struct tree t = tree_make("mkdir -p proc/driver/nvidia var/lib/pve-vgpu; echo new > proc/driver/nvidia/version;"
			"cat > var/lib/pve-vgpu/types.json <<'J'\n{\"version\":1,\"driver\":\"new\","
			"\"types\":[{\"type\":\"nvidia-1\",\"full_name\":\"x\"}],\"gpus\":[]}\nJ\n");

		catalog_fresh(&fresh, &t.r);
		CHECK_NUM(fresh.ntypes, 0);
		CHECK_STR(fresh.driver, "new");
		shell(t.path, "sed -i s/new/old/ var/lib/pve-vgpu/types.json");
		catalog_load_last(&last, &t.r);
		CHECK(catalog_type(&last, "nvidia-1"));
		CHECK_STR(last.driver, "new");
		tree_free(&t);
	}
}

static void test_rows_of_another_shape(void)
{
	TEST("catalog: rows of another shape are passed over") {
		AUTO_CATALOG struct catalog c = { 0 };
		struct tree t = tree_make("mkdir -p var/lib/pve-vgpu; cat > var/lib/pve-vgpu/types.json <<'J'\n"
			"{\"version\":1,\"driver\":\"\",\"types\":[1,null,{},{\"type\":\"nvidia-1\"},"
			"{\"type\":\"nvidia-2\",\"full_name\":\"NVIDIA X-2Q\",\"framebuffer_mib\":-1,\"max_instance\":99999999999},"
			"{\"type\":\"vfio-pci-3\",\"full_name\":\" \\u001b \"}],"
			"\"gpus\":[7,{\"gpu\":\"nope\",\"types\":[]},{\"gpu\":\"0000:e8:00.0\",\"types\":[\"nvidia-2\",\"nvidia-9\",3]},"
			"{\"gpu\":\"0000:e9:00.0\",\"types\":{}}]}\nJ\n");

		catalog_load(&c, &t.r);
		CHECK_NUM(c.ntypes, 2);
		CHECK_NUM(catalog_type(&c, "nvidia-2")->max_instance, 0);
		CHECK_STR(catalog_type(&c, "nvidia-3")->full_name, "?");
		CHECK_NUM(c.ngpus, 1);
		CHECK_NUM(c.gpus[0].ntypes, 1);
		tree_free(&t);
	}
}

static void test_place_that_cannot_be_written(void)
{
	TEST("catalog: a place that cannot be written is told, and nothing else happens") {
		AUTO_CATALOG struct catalog c = { 0 };
		AUTO_ERR struct err e = { 0 };
		struct tree t = tree_make("mkdir var; touch var/lib");

		catalog_load(&c, &t.r);
		CHECK_NUM(catalog_save(&c, &t.r, &e), 0);
		type_make(&c, 1, "x", 0);
		CHECK(catalog_save(&c, &t.r, &e) < 0);
		CHECK_HAS(e.msg, "var/lib");
		CHECK(c.changed);
		tree_free(&t);
	}
}

static void test_lists_of_a_board(void)
{
	TEST("catalog: lists of one board add up, another board's replaces them") {
		AUTO_CATALOG struct catalog c = { 0 };
		const struct vgpu_type *l40s;

		offers(&c, 575, "NVIDIA A40-24A");
		offers(&c, 558, "NVIDIA A40-2Q");
		offers(&c, 558, "NVIDIA A40-2Q");
		CHECK_NUM(catalog_gpu(&c, &gpu)->ntypes, 2);
		l40s = offers(&c, 1151, "NVIDIA L40S-8Q");
		CHECK_NUM(catalog_gpu(&c, &gpu)->ntypes, 1);
		CHECK(catalog_gpu(&c, &gpu)->types[0] == l40s);
		catalog_gpu_offers(&c, &gpu, NULL, 0);
		CHECK_NUM(catalog_gpu(&c, &gpu)->ntypes, 1);
		CHECK_NUM(c.ntypes, 3);
	}
}

static void test_saved_by_two(void)
{
	TEST("catalog_save: what another process has saved meanwhile stays, but for another board's") {
		AUTO_CATALOG struct catalog one = { 0 }, two = { 0 }, three = { 0 }, all = { 0 };
		struct tree t = tree_make("true");

		catalog_load(&one, &t.r);
		catalog_load(&two, &t.r);
		offers(&one, 575, "NVIDIA A40-24A");
		offers(&two, 558, "NVIDIA A40-2Q");
		CHECK_NUM(catalog_save(&one, &t.r, NULL), 0);
		CHECK_NUM(catalog_save(&two, &t.r, NULL), 0);
		catalog_load(&all, &t.r);
		CHECK_NUM(all.ntypes, 2);
		CHECK_NUM(catalog_gpu(&all, &gpu)->ntypes, 2);
		catalog_free(&all);
		catalog_load(&three, &t.r);
		offers(&three, 1151, "NVIDIA L40S-8Q");
		CHECK_NUM(catalog_save(&three, &t.r, NULL), 0);
		catalog_load(&all, &t.r);
		CHECK_NUM(catalog_gpu(&all, &gpu)->ntypes, 1);
		tree_free(&t);
	}
}

static void test_same_board(void)
{
	TEST("vgpu_type_same_board: what stands before the size, slices of MIG aside") {
		AUTO_CATALOG struct catalog c = { 0 };
		const struct vgpu_type *a = type_make(&c, 1, "GRID A100-4C", 0);
		const struct vgpu_type *mig = type_make(&c, 2, "GRID A100-1-5C", 0);
		const struct vgpu_type *d = type_make(&c, 3, "GRID A100D-4C", 0);
		const struct vgpu_type *odd = type_make(&c, 4, "GRID A100", 0);

		CHECK(vgpu_type_same_board(a, mig));
		CHECK(!vgpu_type_same_board(a, d));
		CHECK(!vgpu_type_same_board(d, mig));
		CHECK(vgpu_type_same_board(a, odd));
	}
}

static void test_names_fit_to_be_shown(void)
{
	TEST("catalog_add: names are made fit to be shown; an empty one is the id") {
		AUTO_CATALOG struct catalog c = { 0 };

		CHECK_STR(catalog_add(&c, "nvidia-1", 1, "  NVIDIA\t A40-8Q \n")->full_name, "NVIDIA A40-8Q");
		CHECK_STR(catalog_add(&c, "nvidia-2", 2, "\033[31mX\xff\xc2\x9b")->full_name, "?[31mX??");
		CHECK_STR(catalog_add(&c, "nvidia-3", 3, " \n")->full_name, "3");
		CHECK_STR(catalog_add(&c, "nvidia-4", 4, "Größe")->full_name, "Größe");
		CHECK_STR(catalog_add(&c, "i915- GVTg", 0, "")->full_name, "GVTg");
	}
}

int main(void)
{
	test_saved_and_loaded();
	test_what_is_not_loaded();
	test_another_drivers_file();
	test_rows_of_another_shape();
	test_place_that_cannot_be_written();
	test_lists_of_a_board();
	test_saved_by_two();
	test_same_board();
	test_names_fit_to_be_shown();
	return tap_done();
}
