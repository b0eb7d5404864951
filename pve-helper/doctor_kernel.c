/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `doctor` asks of the kernel and of the firmware below it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "doctor.h"
#include "kernel_cmdline.h"
#include "pkg_version.h"
#include "xalloc.h"

/* From here on NVIDIA's driver has vendor VFIO for GPUs with SR-IOV (NVIDIA vGPU user guide, Linux with KVM). */
#define SINCE_VENDOR	"6.8"

/* The word of the command line that keeps the IOMMU off, or NULL. */
static const char *kept_off(const char *cmdline)
{
	if (kernel_cmdline_says(cmdline, "intel_iommu", "off", "on"))
		return "intel_iommu=off";
	if (kernel_cmdline_says(cmdline, "amd_iommu", "off", "on"))
		return "amd_iommu=off";
	return kernel_cmdline_says(cmdline, "iommu", "off", "on") ? "iommu=off" : NULL;
}

void check_iommu(struct doctor *d, struct finding *f)
{
	static const struct bdf none;
	AUTO_STRLIST struct strlist groups = { 0 };
	const char *off = d->cmdline ? kept_off(d->cmdline) : NULL;
	/* Boards without SR-IOV serve without it. */
	enum doctor_weight weight = doctor_any_serves(d) ? DOCTOR_ADVICE : DOCTOR_BLOCKS;
	AUTO_ERR struct err e = { 0 };
	int rc = root_list(d->r, "sys/kernel/iommu_groups", &groups, &e);

	if (rc == 0 && groups.n)
		find_yes(f, "%zu groups", groups.n);
	/* A kernel without an IOMMU lacks the directory, and one whose sysfs is not there says nothing. */
	else if (rc < 0 && (rc != -ENOENT || !root_exists(d->r, "sys/kernel")))
		find_na(f, "%s", e.msg);
	else if (off)
		find_no(f, weight, xasprintf("the kernel has no IOMMU groups: its command line has %s", off),
			xasprintf("take %s out of it (/etc/default/grub and update-grub, or /etc/kernel/cmdline and "
				  "proxmox-boot-tool refresh), reboot", off));
	else
		find_no(f, weight, xasprintf("the kernel has no IOMMU groups%s",
					     d->cmdline && !kernel_cmdline_says(d->cmdline, "intel_iommu", "on", "off") ?
					     "; its command line has no intel_iommu=on, which Intel needs" : ""),
			health_cure(AILMENT_NO_IOMMU, &none));
}

void check_nouveau(struct doctor *d, struct finding *f)
{
	static const struct bdf none;

	doctor_ailment(d, AILMENT_NOUVEAU, f);
	if (f->n)
		return;
	if (root_exists(d->r, "sys/module/nouveau"))
		find_no(f, DOCTOR_ADVICE, xstrdup("the module nouveau is loaded, and takes GPUs that NVIDIA's driver lets go"),
			health_cure(AILMENT_NOUVEAU, &none));
	else if (root_exists(d->r, "sys/module"))
		find_yes(f, "it is not loaded");
	else
		find_na(f, "/sys shows no modules");
}

static bool is_right(const struct doctor *d, const struct gpu *g)
{
	bool vendor = version_at_least(d->kernel, SINCE_VENDOR);

	return vendor == (g->framework == FRAMEWORK_NVIDIA_VFIO);
}

void check_framework(struct doctor *d, struct finding *f)
{
	AUTO_STRLIST struct strlist seen = { 0 };

	if (!doctor_has_gpus(d, f))
		return;
	for (size_t i = 0; i < d->node.inv.ngpus; i++) {
		const struct gpu *g = &d->node.inv.gpus[i];
		const char *name = framework_name(g->framework);

		if (!strlist_has(&seen, name))
			strlist_add(&seen, name);
		if (d->kernel && g->sriov && !is_right(d, g))
			find_no(f, DOCTOR_ADVICE,
				xasprintf("GPU %s: its types are %s, and with kernel %s NVIDIA's own driver has them %s",
					  BDF_STR(&g->addr), g->framework == FRAMEWORK_MDEV ? "on the mdev bus" : "on vendor VFIO",
					  d->kernel, g->framework == FRAMEWORK_MDEV ? "on vendor VFIO" : "on the mdev bus"),
				xstrdup("a patched driver, or one of another kernel: install the vGPU host driver of NVIDIA's that "
					"supports this kernel; modinfo -F vermagic nvidia"));
	}
	if (!seen.n) {
		find_na(f, "no GPU shows types");
		return;
	}

	AUTO_FREE char *all = strlist_join(&seen, ", ");

	if (d->kernel)
		find_yes(f, "kernel %s: %s", d->kernel, all);
	else
		find_na(f, "%s; the kernel's version cannot be told", all);
}

/* Without ARI a device has eight functions, and most VFs have no place. */
static void look_at_ari(const struct doctor *d, const struct bdf *gpu, size_t *on, struct finding *f)
{
	AUTO_FREE char *path = xasprintf("sys/bus/pci/devices/%s/ari_enabled", BDF_STR(gpu));
	bool noari = d->cmdline && kernel_cmdline_says(d->cmdline, "pci", "noari", NULL);
	unsigned long enabled;

	if (root_read_number(d->r, path, &enabled, NULL) < 0)
		return;
	*on += enabled != 0;
	if (enabled)
		return;
	find_no(f, doctor_serves(d, gpu) ? DOCTOR_ADVICE : doctor_weigh(d, gpu),
		xasprintf("GPU %s: ARI is off%s: VFs beyond the eighth function have no place", BDF_STR(gpu),
			  noari ? ", the kernel's command line has pci=noari" : ""),
		xstrdup(noari ? "take noari out of the kernel's command line, reboot" :
			"enable ARI (and SR-IOV, Above 4G Decoding) in the firmware, or put the GPU into a slot whose port has it "
			"(lspci -vvv shows ARIFwd)"));
}

void check_ari(struct doctor *d, struct finding *f)
{
	size_t on = 0;

	if (!doctor_has_gpus(d, f))
		return;
	for (size_t i = 0; i < d->sriov.n; i++)
		look_at_ari(d, &d->sriov.b[i], &on, f);
	if (on)
		find_yes(f, "%zu GPU%s with SR-IOV", on, on == 1 ? "" : "s");
	else
		find_na(f, d->sriov.n ? "this kernel does not tell" : "no GPU of NVIDIA's with SR-IOV");
}
