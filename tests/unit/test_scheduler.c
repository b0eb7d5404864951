/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node.h"
#include "scheduler.h"
#include "scheduler_file.h"

#define GPU	"0000:86:00.0"

/* "policy srr|no-srr timeslice frequency factor" */
static char *decoded(uint32_t value)
{
	struct scheduler s;

	scheduler_decode(value, &s);
	CHECK(s.set);
	CHECK_NUM(s.value, value);
	return xasprintf("%s %s %u %u %u", scheduler_policy_name(s.policy),
			 s.strict_round_robin ? "srr" : "no-srr", s.timeslice_ms, s.frequency_hz,
			 s.averaging_factor);
}

#define CHECK_DECODED(value, want) do { \
	AUTO_FREE char *got_ = decoded(value); \
	CHECK_STR(got_, (want)); \
} while (0)

/* The value that a text has for GPU; -1: none. */
static long value_in(const char *params, bool *of_gpu)
{
	struct bdf gpu = addr_of(GPU);
	struct scheduler s;

	scheduler_parse(params, &gpu, &s);
	*of_gpu = s.of_gpu;
	return s.set ? (long)s.value : -1;
}

#define CHECK_VALUE(params, want, own) do { \
	bool of_gpu_; \
	CHECK_NUM(value_in((params), &of_gpu_), (want)); \
	CHECK_NUM(of_gpu_, (own)); \
} while (0)

static char *against(const char *commands)
{
	struct tree t = tree_make(commands);
	struct bdf gpu = addr_of(GPU);
	char *text = scheduler_against_sizes(&t.r, &gpu);

	tree_free(&t);
	return text;
}

#define PARAMS(text) "mkdir -p proc/driver/nvidia; echo '" text "' > proc/driver/nvidia/params"

int main(void)
{
	TEST("scheduler: the values of NVIDIA's guide") {
		CHECK_DECODED(0x00, "best effort no-srr 0 0 0");
		CHECK_DECODED(0x10, "best effort no-srr 0 0 0");
		CHECK_DECODED(0x01, "equal share srr 0 0 0");
		CHECK_DECODED(0x11, "fixed share srr 0 0 0");
		CHECK_DECODED(0x00030003, "equal share no-srr 3 0 0");
		CHECK_DECODED(0x00180013, "fixed share no-srr 24 0 0");
		CHECK_DECODED(0x3c3c0001, "equal share srr 0 960 60");
		CHECK_DECODED(0x3c3c0011, "fixed share srr 0 960 60");
		CHECK_DECODED(0x0103f011, "fixed share srr 0 63 1");
		CHECK_DECODED(0x21, "equal share srr 0 0 0");
	}
	TEST("scheduler: from RegistryDwords, for all GPUs") {
		CHECK_VALUE("Mobile: 4294967295\nRegistryDwords: \"RmPVMRL=0x11\"\nRegistryDwordsPerDevice: \"\"\n", 0x11, 0);
		CHECK_VALUE("RegistryDwords: \"A=1;rmpvmrl=17;B=2\"\n", 17, 0);
		CHECK_VALUE("RegistryDwords: \" RmPVMRL=0x1; RmPVMRL=0x00030003 \"", 0x00030003, 0);
		CHECK_VALUE("RegistryDwords: RmPVMRL=0x1\n", 1, 0);
	}
	TEST("scheduler: a GPU's own entry of RegistryDwordsPerDevice comes before that") {
		CHECK_VALUE("RegistryDwordsPerDevice: \"pci=" GPU ";RmPVMRL=0x11\"\nRegistryDwords: \"RmPVMRL=0x1\"\n", 0x11, 1);
		CHECK_VALUE("RegistryDwordsPerDevice: \"pci=0000:03:00.0;RmPVMRL=0x1;pci=86:00;A=3;RmPVMRL=0x11;pci=0000:04:00.0;RmPVMRL=2\"\n",
			    0x11, 1);
		CHECK_VALUE("RegistryDwordsPerDevice: \"pci=0000:03:00.0;RmPVMRL=0x11\"\nRegistryDwords: \"RmPVMRL=0x1\"\n", 1, 0);
		CHECK_VALUE("RegistryDwordsPerDevice: \"RmPVMRL=0x11;pci= " GPU " ;A=1\"\n", -1, 0);
	}
	TEST("scheduler: what cannot be read is none") {
		static const char *const bad[] = {
			"", "\n", "RegistryDwords:", "RegistryDwords: \"\"\n", "RegistryDwords: \"RmPVMRL\"\n", "RegistryDwords: \"RmPVMRL=\"\n",
			"RegistryDwords: \"RmPVMRL=x\"\n", "RegistryDwords: \"RmPVMRL=0x11x\"\n", "RegistryDwords: \"RmPVMRL=-1\"\n",
			"RegistryDwords: \"RmPVMRL=0x1ffffffff\"\n", "RegistryDwords: \"XRmPVMRL=1;=;;\"\n",
			"XRegistryDwords: \"RmPVMRL=1\"\n", "RegistryDwordsPerDevice: \"pci=;RmPVMRL=1\"\n",
			"RegistryDwordsPerDevice: \"pci=all;RmPVMRL=1\"\n",
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK_VALUE(bad[i], -1, 0);
	}
	TEST("scheduler: against several sizes is fixed share alone") {
		AUTO_FREE char *fixed = against(PARAMS("RegistryDwords: \"RmPVMRL=0x11\""));
		AUTO_FREE char *equal = against(PARAMS("RegistryDwords: \"RmPVMRL=0x1\""));
		AUTO_FREE char *none = against(":");

		CHECK_STR(fixed, "its scheduler is fixed share (RmPVMRL=0x11 in NVreg_RegistryDwords), and mixed sizes take best effort or equal share");
		CHECK_STR(equal, NULL);
		CHECK_STR(none, NULL);
	}
	return tap_done();
}
