/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `doctor` asks of the next boot: our units, and who enables SR-IOV. */
#include <string.h>

#include "cleanup.h"
#include "doctor.h"
#include "sriov_others.h"
#include "sriov_units.h"
#include "unit_file.h"
#include "units.h"
#include "xalloc.h"

#define GUESTS	"pve-guests.service"
#define RULE	"90-pve-vgpu.rules"

/* What we ask for of a unit of ours. */
struct need {
	const char *unit;
	bool enabled;			/* else something else starts it */
	bool before_guests;
	bool asked;			/* node.conf asks for what it does */
};

static void look_at_unit(const struct doctor *d, const struct strlist *wanted, const struct need *n,
			 struct finding *f)
{
	enum doctor_weight weight = n->asked ? DOCTOR_BLOCKS : DOCTOR_ADVICE;
	enum unit_state state = unit_look(d->r, n->unit);
	AUTO_FREE char *text = unit_text(d->r, n->unit);

	if (state == UNIT_MASKED) {
		find_no(f, weight, xasprintf("%s is masked", n->unit), xasprintf("systemctl unmask %s", n->unit));
		return;
	}
	if (state == UNIT_MISSING) {
		find_no(f, weight, xasprintf("there is no unit %s on this node", n->unit), xstrdup("apt install --reinstall pve-vgpu"));
		return;
	}
	if (n->enabled && !strlist_has(wanted, n->unit))
		find_no(f, weight, xasprintf("%s is not enabled", n->unit), xasprintf("systemctl enable %s", n->unit));
	/* A VM that starts first finds no VFs, or what a dead one has left. */
	if (n->before_guests && !(text && unit_file_lists(text, "Before", GUESTS)))
		find_no(f, weight, xasprintf("%s is not ordered before " GUESTS ", which starts the VMs", n->unit),
			xasprintf("systemctl revert %s; or, in `systemctl edit %s`: [Unit] Before=" GUESTS, n->unit, n->unit));
}

static bool any_asks_sriov(const struct doctor *d)
{
	for (size_t i = 0; i < d->sriov.n; i++)
		if (doctor_asks_sriov(d, &d->sriov.b[i]) == SAID_YES)
			return true;
	return false;
}

static bool has_rule(const struct doctor *d)
{
	return root_exists(d->r, "etc/udev/rules.d/" RULE) || root_exists(d->r, "usr/lib/udev/rules.d/" RULE) ||
		root_exists(d->r, "lib/udev/rules.d/" RULE);
}

static bool none_is_there(const struct doctor *d, const struct need *needs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (unit_look(d->r, needs[i].unit) != UNIT_MISSING)
			return false;
	return true;
}

void check_units(struct doctor *d, struct finding *f)
{
	AUTO_STRLIST struct strlist wanted = { 0 };
	bool sriov = any_asks_sriov(d);
	const struct need needs[] = {
		{ "pve-vgpu-gc.service", true, true, false },
		{ "pve-vgpu-gc.timer", true, false, false },
		{ "pve-vgpu-sriov@.service", false, true, sriov },
		{ "pve-vgpu-standalone.service", true, true, d->node.conf.n_vgpus },
	};

	units_wanted(d->r, &wanted);
	if (none_is_there(d, needs, ARRAY_SIZE(needs)) && !doctor_has_conf_and_gpus(d, f))
		return;
	if (!sriov && !d->node.conf.n_vgpus && none_is_there(d, needs, ARRAY_SIZE(needs))) {
		find_na(f, "pve-vgpu's units are not installed, and node.conf asks for nothing of theirs");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
		look_at_unit(d, &wanted, &needs[i], f);
	if (sriov && !has_rule(d))
		find_no(f, DOCTOR_BLOCKS, xstrdup("node.conf asks for SR-IOV, and udev has no " RULE ", which starts pve-vgpu-sriov@.service"),
			xstrdup("apt install --reinstall pve-vgpu"));
	find_yes(f, "enabled, and before " GUESTS);
}

/* --- who enables SR-IOV --- */

struct enablers {
	struct strlist others;
	size_t ours, pves, nobodys;	/* GPUs */
	char *pve;			/* one of Proxmox's instances */
};

static void count_gpu(const struct doctor *d, const struct bdf *gpu, struct enablers *n)
{
	char *pve = sriov_pve_unit(d->r, gpu);

	n->pves += pve != NULL;
	n->ours += !pve && doctor_asks_sriov(d, gpu) == SAID_YES;
	n->nobodys += !pve && doctor_asks_sriov(d, gpu) != SAID_YES;
	if (!n->pve)
		n->pve = take_ptr(pve);
	free(pve);
}

static void find_rivals(const struct enablers *n, struct finding *f)
{
	for (size_t i = 0; i < n->others.n; i++)
		find_no(f, DOCTOR_BLOCKS,
			xasprintf("%s enables SR-IOV too, besides %s: two at once leave GPUs without their driver, and the later one "
				  "takes GPUs from VMs that run", n->others.s[i], n->ours ? "pve-vgpu, as node.conf has it" : n->pve),
			*n->others.s[i] == '/' ? xasprintf("take its line out of %s", n->others.s[i]) :
						 xasprintf("systemctl disable %s", n->others.s[i]));
}

void check_sriov_boot(struct doctor *d, struct finding *f)
{
	struct enablers n = { 0 };

	if (!doctor_has_conf_and_gpus(d, f))
		return;
	if (!d->sriov.n) {
		find_na(f, "no GPU of NVIDIA's with SR-IOV");
		return;
	}
	for (size_t i = 0; i < d->sriov.n; i++)
		count_gpu(d, &d->sriov.b[i], &n);
	sriov_others(d->r, &d->sriov, &n.others);
	if (n.ours || n.pves)
		find_rivals(&n, f);
	/* One alone does its work, as long as no VM starts before it. */
	if (n.others.n && !n.ours && !n.pves)
		find_yes(f, "%s does; whether before the VMs start is its own affair", n.others.s[0]);
	else if (n.nobodys == d->sriov.n)
		find_no(f, DOCTOR_ADVICE, xstrdup("nobody enables SR-IOV at boot: after the next one there are no VFs"),
			xstrdup("sriov = yes in [defaults] of /" NODE_CONF_PATH " (man pve-vgpu-node.conf)"));
	else
		find_yes(f, "%s%s%s", n.ours ? "pve-vgpu, as node.conf has it" : "", n.ours && n.pves ? "; " : "",
			 n.pves ? n.pve : "");
	strlist_free(&n.others);
	free(n.pve);
}
