/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Short texts, each line of the input given to all readers of one: addresses,
 * numbers, UUIDs, versions, policies, MIG profiles, names of mappings and boards, values
 * of settings, and lines that enable VFs.
 */
#include "bdf.h"
#include "boards.h"
#include "driver_branch.h"
#include "fuzz.h"
#include "gpu_model.h"
#include "inventory.h"
#include "mapping.h"
#include "mig_table.h"
#include "numa.h"
#include "params.h"
#include "parse.h"
#include "pkg_version.h"
#include "scheduler.h"
#include "settings_value.h"
#include "sriov_others.h"

static void judge_address(const char *s)
{
	char buf[BDF_TEXT_LEN];
	struct bdf a, b;

	if (bdf_parse(s, &a) < 0)
		return;
	must(bdf_parse(bdf_format(&a, buf), &b) == 0 && bdf_eq(&a, &b), "parse of print of an address is the address");
}

static void judge_uuid(const char *s)
{
	char again[UUID_TEXT_LEN];
	unsigned int vmid, index;

	if (strlen(s) >= UUID_TEXT_LEN || !vgpu_pve_uuid_parse(s, &vmid, &index))
		return;
	vgpu_pve_uuid(vmid, index, again);
	must(is_uuid(s), "PVE's UUID is a UUID");
	must_equal(again, s, "print of parse of PVE's UUID is the text");
}

static void judge_number(const char *s)
{
	unsigned long n;
	unsigned int vmid;

	if (parse_ulong(s, 0, 1000, &n) == 0)
		must(n <= 1000, "a number is within its limits");
	if (parse_vmid(s, &vmid) < 0)
		return;

	AUTO_FREE char *again = xasprintf("%u", vmid);

	must_equal(again, s, "print of parse of a vmid is the text");
}

static void judge_params(const char *s)
{
	AUTO_FREE char *once = NULL, *twice = NULL;

	if (params_parse(s, &once) < 0)
		return;
	must(params_parse(once, &twice) == 0, "parameters as the driver takes them are parameters");
	must_equal(twice, once, "print of parse of parameters is the text");
	must(params_are_in(once, once), "a list has its own parameters");
}

static void judge_profile(const char *s)
{
	struct mig_profile p;

	if (mig_profile_parse(s, &p))
		must(p.suffix >= s && p.suffix <= s + strlen(s), "a profile's suffix is in its name");
}

static void judge_policy(const char *s)
{
	enum scheduler_policy p;

	if (scheduler_policy_parse(s, &p) == 0)
		must_equal(scheduler_policy_word(p), s, "print of parse of a policy is the text");
}

static void judge_values(const char *s)
{
	enum placement placement;
	enum vm_mode mode;
	enum display display;
	unsigned int number;
	int x_vga;
	AUTO_FREE char *identity = NULL, *hook = NULL;

	free(value_placement(s, &placement));
	free(value_mode(s, &mode));
	free(value_display(s, &display));
	free(value_x_vga(s, &x_vga));
	free(value_seconds("lock-wait", s, 1, 600, &number));
	free(value_next_hook(s, &hook));
	value_hostpci_key(s, &number);
	free(value_identity(s, &identity));
}

static void judge_version(const char *s, const char *before)
{
	must(version_at_least(s, s), "a version is not before itself");
	must(version_at_least(s, before) || version_at_least(before, s), "of two versions one is not before the other");
	must(driver_branch(s) == 0 || driver_vgpu_release(driver_branch(s)) < 1000, "a branch has a release, or none");
}

static void judge(const char *s, const char *before)
{
	static bool cpus[NUMA_CPUS];
	struct bdf gpu = { 0, 0xe8, 0, 0 };
	struct bdf_list gpus = { .b = &gpu, .n = 1 };

	judge_address(s);
	judge_uuid(s);
	judge_number(s);
	judge_params(s);
	judge_profile(s);
	judge_policy(s);
	judge_values(s);
	judge_version(s, before);
	numa_cpus_parse(s, cpus);
	mapping_id_ok(s);
	board_is_name(s);
	gpu_model_is(s, before);
	sriov_others_line(s, &gpus);
}

FUZZ(text, len)
{
	AUTO_STRLIST struct strlist lines = { 0 };

	(void)len;
	fuzz_lines(text, &lines);
	for (size_t i = 0; i < lines.n; i++)
		judge(lines.s[i], lines.s[i ? i - 1 : 0]);
}
