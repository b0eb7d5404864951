/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `doctor` asks of the GPUs: VFs, types, MIG, and what node.conf asks for. */
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "doctor.h"
#include "foreign.h"
#include "framework.h"
#include "mig.h"
#include "scan.h"
#include "scheduler_node.h"
#include "xalloc.h"

#define SRIOV_MANAGE	"/usr/lib/nvidia/sriov-manage"

/* --- VFs --- */

static void lacks_vfs(const struct doctor *d, const struct bdf *gpu, struct finding *f)
{
	if (doctor_asks_sriov(d, gpu) == SAID_YES)
		find_no(f, DOCTOR_BLOCKS, xasprintf("GPU %s: node.conf asks for SR-IOV, and it has no VFs", BDF_STR(gpu)),
			xasprintf("pve-vgpu sriov enable %s; journalctl -b -u pve-vgpu-sriov@%s says why it was not done at boot",
				  BDF_STR(gpu), BDF_STR(gpu)));
	else
		find_no(f, doctor_weigh(d, gpu), xasprintf("GPU %s: %s", BDF_STR(gpu), health_cause(AILMENT_NO_VFS)),
			xasprintf("pve-vgpu sriov enable %s; at every boot: sriov = yes in [gpu %s] of /" NODE_CONF_PATH,
				  BDF_STR(gpu), BDF_STR(gpu)));
}

void check_vfs(struct doctor *d, struct finding *f)
{
	size_t vfs = 0, gpus = 0, off = 0;

	if (!doctor_has_gpus(d, f))
		return;
	for (size_t i = 0; i < d->node.health.n; i++) {
		const struct sick_gpu *s = &d->node.health.sick[i];

		if (s->what != AILMENT_NO_VFS)
			continue;
		off += doctor_asks_sriov(d, &s->addr) == SAID_NO;
		if (doctor_asks_sriov(d, &s->addr) != SAID_NO)
			lacks_vfs(d, &s->addr, f);
	}
	for (size_t i = 0; i < d->node.inv.ngpus; i++) {
		const struct gpu *g = &d->node.inv.gpus[i];

		gpus += g->sriov;
		vfs += g->sriov ? g->nparents : 0;
	}
	if (gpus)
		find_yes(f, "%zu VFs of %zu GPU%s", vfs, gpus, gpus == 1 ? "" : "s");
	else
		find_na(f, off ? "node.conf has sriov = no" : "no GPU with SR-IOV that its driver has");
}

/* NVIDIA's VFs that vfio-pci has taken. */
static void find_taken(const struct doctor *d, struct finding *f)
{
	AUTO_BDF_LIST struct bdf_list taken = { 0 };

	pci_list(d->r, "sys/bus/pci/drivers/vfio-pci", &taken, NULL);
	for (size_t i = 0; i < taken.n; i++) {
		const char *at = BDF_STR(&taken.b[i]);
		struct bdf pf;
		const struct gpu *g;

		if (pci_physfn(d->r, &taken.b[i], &pf) < 0 || !bdf_list_has(&d->sriov, &pf))
			continue;
		g = inventory_gpu(&d->node.inv, &pf);
		/* On the mdev bus it shows types all the same, and some drivers serve them. */
		find_no(f, DOCTOR_ADVICE,
			xasprintf("VF %s of GPU %s is bound to vfio-pci: %s", at, BDF_STR(&pf),
				  g && g->framework == FRAMEWORK_MDEV ? "a create there may be taken and make nothing" :
				  "nothing is made there"),
			xasprintf("take it out of what binds it (driverctl unset-override %s), then, with none of the GPU's vGPUs "
				  "in use: " SRIOV_MANAGE " -d %s; " SRIOV_MANAGE " -e %s", at, BDF_STR(&pf), BDF_STR(&pf)));
	}
}

/* VFs of one GPU under names of several drivers; what is found is no problem of reading. */
static void find_parted(struct doctor *d, struct finding *f)
{
	struct strlist *l = &d->node.inv.problems;
	size_t before = l->n;

	mdev_check_drivers(d->r, &d->node.inv);
	while (l->n > before)
		find_no(f, DOCTOR_ADVICE, l->s[--l->n],
			xstrdup("with none of its vGPUs in use: " SRIOV_MANAGE " -d <GPU>; " SRIOV_MANAGE " -e <GPU>"));
}

void check_vf_driver(struct doctor *d, struct finding *f)
{
	size_t vfs = 0;

	if (!doctor_has_gpus(d, f))
		return;
	for (size_t i = 0; i < d->node.inv.ngpus; i++)
		vfs += d->node.inv.gpus[i].sriov ? d->node.inv.gpus[i].nparents : 0;
	doctor_ailment(d, AILMENT_VFS_UNBOUND, f);
	doctor_ailment(d, AILMENT_SOME_UNBOUND, f);
	find_taken(d, f);
	if (!f->n)
		find_parted(d, f);
	if (vfs)
		find_yes(f, "%zu VFs have theirs", vfs);
	else
		find_na(f, "there are no VFs");
}

/* --- types --- */

static size_t count_types(const struct doctor *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->node.inv.ngpus; i++)
		for (size_t k = 0; k < d->node.inv.gpus[i].noffers; k++) {
			bool first = true;

			for (size_t j = 0; j < i && first; j++)
				first = !gpu_offer(&d->node.inv.gpus[j], d->node.inv.gpus[i].offers[k].type);
			n += first;
		}
	return n;
}

void check_types(struct doctor *d, struct finding *f)
{
	AUTO_FOREIGN struct foreign_list foreign = { 0 };
	AUTO_FREE char *beside = NULL;
	size_t n = count_types(d);

	if (!doctor_has_gpus(d, f))
		return;
	doctor_ailment(d, AILMENT_NO_TYPES, f);
	/* What is wrong with records is among the leftovers. */
	for (size_t i = 0; i < d->node.inv.problems.n; i++)
		if (!strlist_has(&d->records, d->node.inv.problems.s[i]))
			find_no(f, DOCTOR_ADVICE, xstrdup(d->node.inv.problems.s[i]),
				xstrdup("dmesg | grep -e NVRM -e nvidia may tell more"));
	foreign_read(d->r, &d->node.inv, &foreign);
	beside = foreign.n ? xasprintf("; %zu other parents on the mdev bus are never used", foreign.n) : xstrdup("");
	if (n)
		find_yes(f, "%zu types%s", n, beside);
	else
		find_na(f, "no GPU can show any%s", beside);
}

/* --- MIG --- */

static const struct vgpu_type *mig_type(const struct gpu *g)
{
	for (size_t i = 0; i < g->noffers; i++)
		if (g->offers[i].type->number && vgpu_type_is_mig(g->offers[i].type))
			return g->offers[i].type;
	return NULL;
}

/* Where /proc names no instances: one with room shows in what an empty GPU takes. */
static bool has_instance(struct doctor *d, const struct gpu *g, const struct mig *m)
{
	enum refused reach;

	if (m->instances >= 0 || !m->empty || g->framework != FRAMEWORK_MDEV || !g->nparents)
		return m->instances != 0;
	for (size_t i = 0; i < g->noffers; i++) {
		const struct vgpu_type *t = g->offers[i].type;

		if (vgpu_type_is_mig(t) && framework_mdev.room(d->r, &d->node.catalog, g, &g->parents[0], t, &reach, NULL))
			return true;
	}
	return false;
}

void check_mig(struct doctor *d, struct finding *f)
{
	size_t boards = 0, on = 0;

	if (!doctor_has_gpus(d, f))
		return;
	for (size_t i = 0; i < d->node.inv.ngpus; i++) {
		struct gpu *g = &d->node.inv.gpus[i];
		AUTO_FREE char *cause = NULL;
		AUTO_FREE char *cure = NULL;
		struct mig m;

		if (!mig_board(g))
			continue;
		boards++;
		mig_ask(d->r, &d->node.catalog, &d->node.inv, g, &m);
		on += m.mode == MIG_ON;
		if (m.mode != MIG_ON || has_instance(d, g, &m))
			continue;
		m.instances = 0;
		if (mig_against(&m, g, mig_type(g), &cause, &cure))
			find_no(f, DOCTOR_BLOCKS, xasprintf("GPU %s: %s", BDF_STR(&g->addr), cause), take_ptr(cure));
	}
	if (on)
		find_yes(f, "%zu of %zu GPUs that can are in MIG mode", on, boards);
	else
		find_na(f, boards ? "MIG mode is off" : "no GPU has MIG-backed types");
}

/* --- what node.conf asks for --- */

/* Looking costs an attribute for each function of the PCI bus. */
static bool asks_scheduler(const struct doctor *d)
{
	const struct node_conf *c = &d->node.conf;
	bool asked = c->defaults.scheduler.line;

	for (size_t i = 0; i < c->n_gpus; i++)
		asked = asked || c->gpus[i].keys.scheduler.line;
	return asked || root_exists(d->r, SCHEDULER_PATH);
}

void check_scheduler(struct doctor *d, struct finding *f)
{
	AUTO_SCHEDULER_NODE struct scheduler_node s = { 0 };
	AUTO_ERR struct err e = { 0 };
	size_t active = 0;

	if (!doctor_has_conf_and_gpus(d, f))
		return;
	if (!asks_scheduler(d)) {
		find_na(f, "node.conf asks for none");
		return;
	}
	if (scheduler_node_read(&d->node, &s, &e) < 0) {
		err_hint(&e, "pve-vgpu scheduler status");
		find_failed(f, DOCTOR_ADVICE, &e);
		return;
	}
	for (size_t i = 0; i < s.n; i++) {
		const struct scheduler_gpu *g = &s.gpus[i];

		active += g->state == SCHEDULER_ACTIVE;
		if (g->state <= SCHEDULER_ACTIVE)
			continue;
		find_no(f, DOCTOR_BLOCKS, xasprintf("GPU %s: %s", BDF_STR(&g->addr), g->err.msg ? g->err.msg :
						    g->state == SCHEDULER_REBOOT ?
						    "the scheduler of node.conf waits for the driver's next load" :
						    "the scheduler of node.conf is not written into /" SCHEDULER_PATH),
			scheduler_mend(g));
	}
	if (active)
		find_yes(f, "as node.conf asks for on %zu GPU%s", active, active == 1 ? "" : "s");
	else
		find_na(f, "node.conf asks for none");
}

/* One of node.conf's vGPUs, as `create --configured` judges it; whether it is there as asked for. */
static bool check_vgpu(struct doctor *d, const struct node_vgpu *c, struct finding *f)
{
	const struct vgpu *v = c->on_vf ? inventory_on(&d->node.inv, &c->vf) : inventory_by_uuid(&d->node.inv, c->name);
	const struct vgpu_type *t = NULL;
	AUTO_ERR struct err why = { 0 };

	if (!v) {
		find_no(f, DOCTOR_BLOCKS, xasprintf("[vgpu %s] of node.conf, a %s, is not there", c->name, c->type),
			xstrdup("pve-vgpu create --configured"));
	} else if (v->vmid) {
		find_no(f, DOCTOR_BLOCKS, xasprintf("[vgpu %s] of node.conf, a %s: %s is vm %u's", c->name, c->type,
						    v->parent_name, v->vmid),
			xstrdup("stop that VM and pve-vgpu create --configured, or name another VF in node.conf"));
	} else if (scan_resolve(d->r, &d->node.catalog, &d->node.inv, c->type, NULL, 0, &t, &why) < 0) {
		find_no(f, DOCTOR_BLOCKS, xasprintf("[vgpu %s] of node.conf: %s", c->name, why.msg),
			xstrdup(why.hint ? why.hint : "pve-vgpu types"));
	} else if (v->type && strcmp(v->type, t->key) != 0) {
		const char *name = v->name ? v->name : v->type;

		find_no(f, DOCTOR_BLOCKS, xasprintf("[vgpu %s] of node.conf, a %s, is there as %s on %s", c->name, c->type,
						    name, v->parent_name),
			v->owner == OWNER_STANDALONE ?
			xasprintf("pve-vgpu remove %s; pve-vgpu create --configured; or type = %s in its section", c->name, name) :
			xasprintf("whoever made %s has to remove it, or type = %s in its section", c->name, name));
	} else {
		return true;
	}
	return false;
}

void check_standalone(struct doctor *d, struct finding *f)
{
	const struct node_conf *c = &d->node.conf;
	size_t there = 0;

	if (!doctor_has_conf_and_gpus(d, f))
		return;
	for (size_t i = 0; i < c->n_vgpus; i++)
		there += !c->vgpus[i].fault && check_vgpu(d, &c->vgpus[i], f);
	if (there)
		find_yes(f, "%zu are there", there);
	else
		find_na(f, c->n_vgpus ? "see node-conf" : "node.conf asks for none");
}
