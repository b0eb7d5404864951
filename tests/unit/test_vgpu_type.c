/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <limits.h>

#include "cleanup.h"
#include "tap.h"
#include "vgpu_type.h"
#include "xalloc.h"

static void check_key(const char *dirname, const char *key, unsigned int number)
{
	unsigned int n = 7;
	AUTO_FREE char *got = vgpu_type_key(dirname, &n);

	CHECK_STR(got, key);
	CHECK_NUM(n, number);
}

/* A type that lives as long as the name; no field is freed. */
static struct vgpu_type named(char *full_name, unsigned int number)
{
	return (struct vgpu_type){ .full_name = full_name, .number = number };
}

static bool is_mig(const char *full_name, unsigned int number)
{
	AUTO_FREE char *name = xstrdup(full_name);
	struct vgpu_type t = named(name, number);

	return vgpu_type_is_mig(&t);
}

static void check_friendly(const char *full_name, const char *friendly)
{
	AUTO_FREE char *name = xstrdup(full_name);
	struct vgpu_type t = named(name, 1);

	CHECK_STR(vgpu_type_name(&t), friendly);
}

static void check_id(const char *key, const char *id)
{
	AUTO_FREE char *copy = xstrdup(key);
	struct vgpu_type t = { .key = copy };

	CHECK_STR(vgpu_type_id(&t), id);
}

static void check_description(const char *text, unsigned int fb, unsigned int max)
{
	struct vgpu_type t = { .framebuffer_mib = 1, .max_instance = 1 };

	vgpu_type_describe(&t, text);
	CHECK_NUM(t.framebuffer_mib, fb);
	CHECK_NUM(t.max_instance, max);
}

static void test_key(void)
{
	TEST("vgpu_type_key: the number is the type, whatever driver stands before it") {
		check_key("nvidia-575", "nvidia-575", 575);
		check_key("vfio-pci-575", "nvidia-575", 575);
		check_key("pci-713", "nvidia-713", 713);
		check_key("nvidia-4294967295", "nvidia-4294967295", UINT_MAX);
	}
	TEST("vgpu_type_key: a name is made fit to be shown first, so that its key is read as the same type again") {
		check_key("pci-575\r", "nvidia-575", 575);
		check_key("i915-GVTg V5\n", "i915-GVTg V5", 0);
	}
	TEST("vgpu_type_key: any other name is its own key") {
		check_key("i915-GVTg_V5_4", "i915-GVTg_V5_4", 0);
		check_key("mtty-2", "mtty-2", 0);
		check_key("nvidia-", "nvidia-", 0);
		check_key("nvidia-x", "nvidia-x", 0);
		check_key("nvidia-0", "nvidia-0", 0);
		check_key("nvidia-4294967296", "nvidia-4294967296", 0);
		check_key("nvidia575", "nvidia575", 0);
		check_key("-575", "-575", 0);
		check_key("", "", 0);
	}
	TEST("vgpu_type_nvidia_key: writes the key") {
		AUTO_FREE char *key = vgpu_type_nvidia_key(575);

		CHECK_STR(key, "nvidia-575");
	}
}

static void test_id_and_name(void)
{
	TEST("vgpu_type_id: is what follows the driver") {
		check_id("nvidia-575", "575");
		check_id("i915-GVTg_V5_4", "GVTg_V5_4");
		check_id("plain", "plain");
	}
	TEST("vgpu_type_name: is the last word") {
		check_friendly("NVIDIA A40-24A", "A40-24A");
		check_friendly("GRID P40-2B", "P40-2B");
		check_friendly("NVIDIA RTX Pro 6000 Blackwell DC-48C", "DC-48C");
		check_friendly("GVTg_V5_4", "GVTg_V5_4");
		check_friendly("", "");
	}
}

static void test_describe(void)
{
	TEST("vgpu_type_describe: reads NVIDIA's line") {
		check_description("num_heads=4, frl_config=60, framebuffer=24576M, "
				  "max_resolution=7680x4320, max_instance=2", 24576, 2);
	}
	TEST("vgpu_type_describe: passes over what it does not know") {
		check_description("", 1, 1);
		check_description("low_gm_size: 128MB\nhigh_gm_size: 512MB\nfence: 4\n", 1, 1);
		check_description("framebuffer=M, max_instance=", 1, 1);
		check_description("xframebuffer=5M,not_max_instance=5", 1, 1);
		check_description("framebuffers=5M, framebuffer=7M", 7, 1);
		check_description("max_instance=99999999999999999999", 1, 1);
	}
}

static void test_mib_of_name(void)
{
	TEST("vgpu_type_mib_of_name: reads GB, and 0 GB is 512 MiB") {
		CHECK_NUM(vgpu_type_mib_of_name("NVIDIA A40-24A"), 24576);
		CHECK_NUM(vgpu_type_mib_of_name("GRID M60-0Q"), 512);
		CHECK_NUM(vgpu_type_mib_of_name("GRID P40-2B4"), 2048);
		CHECK_NUM(vgpu_type_mib_of_name("GRID A100-1-5CME"), 5120);
		CHECK_NUM(vgpu_type_mib_of_name("NVIDIA RTX6000-Ada-48Q"), 49152);
		CHECK_NUM(vgpu_type_mib_of_name("NVIDIA RTX Pro 6000 Blackwell DC-48C"), 49152);
	}
	TEST("vgpu_type_mib_of_name: is 0 where the name states no size") {
		static const char *const none[] = {
			"", "GRID RTX2070-1", "NVIDIA GeForce RTX 3050", "GVTg_V5_4", "NVIDIA DC-12",
			"NVIDIA A40-", "NVIDIA A40-99999999999999999999Q", "NVIDIA A40-5x",
		};

		for (size_t i = 0; i < ARRAY_SIZE(none); i++)
			CHECK_NUM(vgpu_type_mib_of_name(none[i]), 0);
	}
}

static void test_is_mig(void)
{
	TEST("vgpu_type_is_mig: two numbers behind the board") {
		CHECK(is_mig("GRID A100-1-5C", 474));
		CHECK(is_mig("GRID A100-1-5CME", 475));
		CHECK(is_mig("NVIDIA RTX Pro 6000 Blackwell DC-1-24Q", 1500));
		CHECK(is_mig("NVIDIA H100-7-80C", 800));
	}
	TEST("vgpu_type_is_mig: not with one number, nor for others than NVIDIA's") {
		CHECK(!is_mig("NVIDIA A40-24A", 575));
		CHECK(!is_mig("NVIDIA RTX6000-Ada-48Q", 900));
		CHECK(!is_mig("GRID RTX2070-1", 331));
		CHECK(!is_mig("A100-1-5C", 0));
		CHECK(!is_mig("-1-5C", 3));
		CHECK(!is_mig("", 3));
	}
}

static void test_free(void)
{
	TEST("vgpu_type_free: can be called twice") {
		struct vgpu_type t = { .key = xstrdup("k"), .full_name = xstrdup("n") };

		vgpu_type_free(&t);
		vgpu_type_free(&t);
		CHECK(!t.key && !t.full_name);
	}
}

int main(void)
{
	test_key();
	test_id_and_name();
	test_describe();
	test_mib_of_name();
	test_is_mig();
	test_free();
	return tap_done();
}
