/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "commands.h"
#include "doctor.h"
#include "options.h"

/* In the order in which things must be put right. */
static const struct doctor_check checks[] = {
	{ "iommu", "the IOMMU is on", check_iommu },
	{ "nouveau", "nouveau is out of the way", check_nouveau },
	{ "gpus", "GPUs are free for vGPUs", check_gpus },
	{ "driver", "NVIDIA's vGPU host driver is loaded", check_driver },
	{ "ari", "ARI is on for GPUs with SR-IOV", check_ari },
	{ "vfs", "GPUs have their VFs", check_vfs },
	{ "vf-driver", "VFs have the right driver", check_vf_driver },
	{ "vgpud", "nvidia-vgpud gives the driver its types", check_vgpud },
	{ "vgpu-mgr", "nvidia-vgpu-mgr runs", check_vgpu_mgr },
	{ "types", "GPUs show vGPU types", check_types },
	{ "framework", "driver and kernel have one vGPU framework", check_framework },
	{ "mig", "GPUs in MIG mode have instances", check_mig },
	{ "scheduler", "GPUs have the scheduler of node.conf", check_scheduler },
	{ "standalone", "the vGPUs of node.conf are there", check_standalone },
	{ "node-conf", "the settings of this node can be read", check_node_conf },
	{ "units", "pve-vgpu's units run before VMs start", check_units },
	{ "sriov-boot", "SR-IOV is enabled at boot, by one alone", check_sriov_boot },
	{ "qemu-server", "qemu-server can serve vGPUs", check_qemu_server },
	{ "modes", "there is a way to QEMU", check_modes },
	{ "wrapper", "the wrapper is in place", check_wrapper },
	{ "snippet", "the hookscript is there and can be run", check_snippet },
	{ "settings", "the settings of the cluster can be read", check_settings },
	{ "configs", "VMs' configs attach what they are to get", check_configs },
	{ "hookscripts", "VMs have the hookscript where they need it", check_hookscripts },
	{ "identity", "intents are for the VMs that have the vmids", check_identity },
	{ "intents", "this node can serve its VMs' intents", check_intents },
	{ "clones", "no VM names another one's vGPU", check_clones },
	{ "uuid", "QEMU gets its -uuid", check_uuid },
	{ "leftovers", "dead VMs have left nothing", check_leftovers },
	{ "licence", "guests can be licensed", check_licence },
};

static void results_free(struct doctor_result *results, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct finding *f = &results[i].f;

		for (size_t k = 0; k < f->n; k++) {
			free(f->problems[k].what);
			free(f->problems[k].mend);
		}
		free(f->problems);
		free(f->note);
	}
}

static size_t count_blocks(const struct doctor_result *results, size_t n)
{
	size_t blocks = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < results[i].f.n; k++)
			blocks += results[i].f.problems[k].weight == DOCTOR_BLOCKS;
	return blocks;
}

int cmd_doctor(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option_set set = { .json = true };
	struct doctor_result results[ARRAY_SIZE(checks)] = { 0 };
	AUTO_DOCTOR struct doctor d = { 0 };
	size_t blocks;
	int rc = options_count(options_read(c, argc, argv, &set, e), 0, 0, "", e);

	if (rc < 0)
		return rc;
	doctor_read(c, &d);
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		results[i].check = &checks[i];
		checks[i].look(&d, &results[i].f);
	}
	doctor_print(results, ARRAY_SIZE(results), c->json);
	blocks = count_blocks(results, ARRAY_SIZE(results));
	results_free(results, ARRAY_SIZE(results));
	if (!blocks)
		return 0;
	return fail(e, -EIO, "doctor: %zu thing%s in the way of VMs or of what the settings ask for", blocks,
		    blocks == 1 ? " stands" : "s stand");
}
