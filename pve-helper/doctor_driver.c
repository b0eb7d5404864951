/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `doctor` asks of NVIDIA's driver and its services. */
#include <stdlib.h>
#include <string.h>

#include "boards.h"
#include "cleanup.h"
#include "doctor.h"
#include "driver_branch.h"
#include "proc_names.h"
#include "units.h"
#include "xalloc.h"

#define VGPUD	"nvidia-vgpud.service"
#define MGR	"nvidia-vgpu-mgr.service"
#define MGR_NAME "nvidia-vgpu-mgr"

void check_gpus(struct doctor *d, struct finding *f)
{
	AUTO_FREE char *gpus = NULL;

	if (!d->has_node) {
		err_hint(&d->node_err, "findmnt /sys; dmesg may tell more");
		find_failed(f, DOCTOR_BLOCKS, &d->node_err);
		return;
	}
	doctor_ailment(d, AILMENT_PASSTHROUGH, f);
	doctor_ailment(d, AILMENT_UNBOUND, f);
	if (!d->node.inv.ngpus && !d->node.health.n)
		find_no(f, DOCTOR_BLOCKS, xstrdup("this node has no GPU that has vGPUs, nor one of NVIDIA's"),
			xstrdup("lspci -nn -d 10de: shows NVIDIA's; one that is missing there is missing to the firmware"));
	gpus = boards_gpus(&d->node.inv);
	find_yes(f, "%s", *gpus ? gpus : "see driver, vfs and types");
}

static char *driver_version(const struct doctor *d)
{
	char *version = NULL;

	if (root_read_attr(d->r, "sys/module/nvidia/version", &version, NULL) < 0)
		return NULL;
	return version;
}

void check_driver(struct doctor *d, struct finding *f)
{
	AUTO_FREE char *version = driver_version(d);
	unsigned int branch = version ? driver_branch(version) : 0;

	if (!doctor_has_gpus(d, f))
		return;
	doctor_ailment(d, AILMENT_NO_DRIVER, f);
	doctor_ailment(d, AILMENT_PLAIN_DRIVER, f);
	if (!d->nvidia)
		find_na(f, "no GPU of NVIDIA's");
	else if (!version)
		find_na(f, "the driver does not tell its version");
	else if (driver_vgpu_release(branch))
		find_yes(f, "%s: branch %u, vGPU %u", version, branch, driver_vgpu_release(branch));
	else
		find_yes(f, "%s: branch %u", version, branch);
}

/* Whether a unit is there and starts at boot; else a no. */
static bool starts_at_boot(const struct doctor *d, const char *unit, enum doctor_weight weight,
			   struct finding *f)
{
	AUTO_STRLIST struct strlist wanted = { 0 };
	enum unit_state state = unit_look(d->r, unit);

	units_wanted(d->r, &wanted);
	if (state == UNIT_THERE && strlist_has(&wanted, unit))
		return true;
	if (state == UNIT_MISSING)
		find_no(f, weight, xasprintf("there is no unit %s on this node", unit),
			xstrdup("install NVIDIA's vGPU host driver (the package with vgpu-kvm in its name), which brings it"));
	else if (state == UNIT_MASKED)
		find_no(f, weight, xasprintf("%s is masked", unit), xasprintf("systemctl unmask %s; systemctl enable --now %s", unit, unit));
	else
		find_no(f, weight, xasprintf("%s is not enabled: at the next boot it does not start", unit),
			xasprintf("systemctl enable %s", unit));
	return false;
}

/* It gives the driver its types and ends: that it does not run means nothing. */
void check_vgpud(struct doctor *d, struct finding *f)
{
	if (!doctor_has_gpus(d, f))
		return;
	if (!d->nvidia) {
		find_na(f, "no GPU of NVIDIA's");
		return;
	}
	if (starts_at_boot(d, VGPUD, doctor_any_serves(d) ? DOCTOR_ADVICE : DOCTOR_BLOCKS, f))
		find_yes(f, doctor_any_serves(d) ? "it has given the driver its types" : "it is enabled; see types");
}

void check_vgpu_mgr(struct doctor *d, struct finding *f)
{
	int runs = proc_runs(d->r, MGR_NAME);

	if (!doctor_has_gpus(d, f))
		return;
	if (!d->nvidia || runs < 0) {
		find_na(f, d->nvidia ? "/proc shows no processes" : "no GPU of NVIDIA's");
		return;
	}
	if (!runs)
		find_no(f, DOCTOR_BLOCKS, xstrdup(MGR_NAME " does not run, and without it no vGPU opens"),
			xstrdup("systemctl enable --now " MGR "; where it ends again, journalctl -b -u " MGR_NAME " says why"));
	else if (starts_at_boot(d, MGR, DOCTOR_ADVICE, f))
		find_yes(f, "it runs");
}
