/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `doctor` asks of the VMs of this node, and of what dead ones have left. */
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "cleanup.h"
#include "doctor.h"
#include "gc.h"
#include "gc_intents.h"
#include "hookscript.h"
#include "intent.h"
#include "scan.h"
#include "xalloc.h"

static size_t count_here(const struct doctor *d)
{
	size_t n = 0, i = 0;

	while (doctor_next_vm(d, &i))
		n++;
	return n;
}

static bool is_wrong(const struct show_vm *vm, enum show_about about)
{
	for (size_t i = 0; i < vm->nproblems; i++)
		if (vm->problems[i].about == about)
			return true;
	return false;
}

/* What to do where show leaves it to its reader. */
static char *mend_of(const struct show_vm *vm, const struct show_problem *p)
{
	if (p->mend)
		return xstrdup(p->mend);
	if (p->about == SHOW_FILES)
		return xasprintf("qm config %u shows it, qm set %u mends it", vm->vmid, vm->vmid);
	if (p->about == SHOW_LOST)
		return xasprintf("take it out of [vm %u] in /etc/pve/pve-vgpu.conf, or pve-vgpu set %u <type> --mode auto", vm->vmid,
				 vm->vmid);
	return xasprintf("pve-vgpu show %u tells all of it", vm->vmid);
}

/* A no for each problem of this kind that show has found in the VMs of this node. */
static void take_problems(const struct doctor *d, enum show_about about, enum doctor_weight weight,
			  struct finding *f)
{
	const struct show_vm *vm;

	for (size_t i = 0; (vm = doctor_next_vm(d, &i));)
		for (size_t k = 0; k < vm->nproblems; k++) {
			const struct show_problem *p = &vm->problems[k];

			if (p->about == about)
				find_no(f, weight, xasprintf("vm %u: %s", vm->vmid, p->what), mend_of(vm, p));
		}
}

static void tell_count(const struct doctor *d, struct finding *f)
{
	size_t n = count_here(d);

	if (n)
		find_yes(f, "%zu VM%s of this node", n, n == 1 ? "" : "s");
	else
		find_na(f, "no VM of this node is to get a vGPU");
}

/* --- what they are to get --- */

/* A type is known as long as it was seen once: who offers it may be one that cannot serve now. */
static bool any_serves_type(const struct doctor *d, const struct vgpu_type *t)
{
	for (size_t i = 0; i < d->node.inv.ngpus; i++)
		if (gpu_offer(&d->node.inv.gpus[i], t) && doctor_serves(d, &d->node.inv.gpus[i].addr))
			return true;
	return false;
}

static void look_at_types(struct doctor *d, const struct show_vm *vm, const struct vm_intent *in,
			  struct finding *f)
{
	for (size_t i = 0; i < in->choices.n; i++) {
		const struct vgpu_type *t;

		if (scan_resolve(d->r, &d->node.catalog, &d->node.inv, in->choices.s[i], NULL, 0, &t, NULL) == 0 &&
		    any_serves_type(d, t))
			return;
	}
	find_no(f, DOCTOR_BLOCKS, xasprintf("vm %u: hostpci%u: no GPU that can serve has %s", vm->vmid, in->index,
					    in->choices.s[0]),
		xstrdup("mend the GPU that has it (gpus, vfs, types above), or choose a type that `pve-vgpu types` shows room of"));
}

/* What a start would be refused for before it looks for room. */
static void look_at_intent(struct doctor *d, const struct show_vm *vm, struct finding *f)
{
	AUTO_WANTS struct want_list wants = { 0 };
	AUTO_ERR struct err e = { 0 };

	if (!vm->has_conf || vm->conf.template || !vm->vs->n_intents || vm->vs->fault)
		return;
	/* Told by checks of their own. */
	if (is_wrong(vm, SHOW_CONFIG) || is_wrong(vm, SHOW_IDENTITY))
		return;
	if (intent_wants(d->c, vm->vs, &vm->conf, &d->node.catalog, &d->node.inv, NULL, 0, &wants, &e) == 0) {
		for (size_t i = 0; i < vm->vs->n_intents; i++)
			look_at_types(d, vm, &vm->vs->intents[i], f);
		return;
	}
	fail_in(&e, -1, "vm %u", vm->vmid);
	err_hint(&e, "pve-vgpu plan %u", vm->vmid);
	find_failed(f, DOCTOR_BLOCKS, &e);
}

void check_intents(struct doctor *d, struct finding *f)
{
	const struct show_vm *vm;

	if (!doctor_has_vms(d, f) || !doctor_has_gpus(d, f))
		return;
	for (size_t i = 0; (vm = doctor_next_vm(d, &i));)
		look_at_intent(d, vm, f);
	tell_count(d, f);
}

void check_configs(struct doctor *d, struct finding *f)
{
	if (!doctor_has_vms(d, f))
		return;
	take_problems(d, SHOW_FILES, DOCTOR_BLOCKS, f);
	take_problems(d, SHOW_CONFIG, DOCTOR_BLOCKS, f);
	take_problems(d, SHOW_LOST, DOCTOR_ADVICE, f);
	take_problems(d, SHOW_HAS, DOCTOR_ADVICE, f);
	/* Mappings and vGPUs are looked for among the devices. */
	if (doctor_has_gpus(d, f))
		tell_count(d, f);
}

static void look_at_hook(const struct doctor *d, const struct vm_file *vm, struct finding *f)
{
	const struct vm_settings *vs = settings_section(&d->show.settings, vm->vmid);
	enum hookscript whose;

	if (vm->next.template || (vs && (vs->n_intents || vs->fault)) ||
	    hookscript_whose(d->r, vm->vmid, vm->next.hookscript, &whose, NULL) < 0 || whose != HOOKSCRIPT_OURS)
		return;
	find_no(f, DOCTOR_ADVICE, xasprintf("vm %u: it has the hookscript, and no intent: it gets no vGPU", vm->vmid),
		xasprintf("pve-vgpu set %u <type>; or qm set %u --delete hookscript", vm->vmid, vm->vmid));
}

void check_hookscripts(struct doctor *d, struct finding *f)
{
	if (!doctor_has_vms(d, f))
		return;
	take_problems(d, SHOW_HOOK, DOCTOR_BLOCKS, f);
	for (size_t i = 0; i < d->nvms; i++)
		look_at_hook(d, &d->vms[i], f);
	tell_count(d, f);
}

void check_identity(struct doctor *d, struct finding *f)
{
	if (!doctor_has_vms(d, f))
		return;
	take_problems(d, SHOW_IDENTITY, DOCTOR_BLOCKS, f);
	tell_count(d, f);
}

/* --- clones --- */

struct named {
	unsigned int vmid, other, index;
};

static int is_others(void *arg, unsigned int vmid, unsigned int index)
{
	struct named *n = arg;

	if (vmid == n->vmid)
		return 0;
	n->other = vmid;
	n->index = index;
	return 1;
}

static void look_at_clone(const struct doctor *d, const struct vm_file *vm, struct finding *f)
{
	struct named n = { .vmid = vm->vmid };
	AUTO_ERR struct err e = { 0 };

	if (vm->next.template)
		return;
	if (intent_check_carried(d->c, &d->show.settings, vm->vmid, &vm->next, &e) < 0) {
		fail_in(&e, -1, "vm %u", vm->vmid);
		find_failed(f, DOCTOR_BLOCKS, &e);
		return;
	}
	/* Written by hand: that number's VM has no intent with us, and may have the vGPU all the same. */
	if (!attach_args_uuids(&vm->next, is_others, &n))
		return;
	find_no(f, DOCTOR_BLOCKS, xasprintf("vm %u: its args name the vGPU of vm %u (index %u), which two VMs cannot have",
					    vm->vmid, n.other, n.index),
		xasprintf("take it out of them: qm set %u --args … (qm config %u shows them); pve-vgpu set %u <type> gives it "
			  "one of its own", vm->vmid, vm->vmid, vm->vmid));
}

/* A hostpci<N> line of a vGPU that names its place. */
struct place {
	struct bdf at;
	unsigned int vmid;
};

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = bdf_cmp(&x->at, &y->at);

	return order ? order : (x->vmid > y->vmid) - (x->vmid < y->vmid);
}

static void add_places(const struct doctor *d, const struct vm_file *vm, struct place **places, size_t *n)
{
	for (size_t i = 0; i < VMCONF_HOSTPCI_MAX && !vm->next.template; i++) {
		const struct hostpci *h = &vm->next.hostpci[i];
		const struct gpu *g = h->has_addr && h->mdev ? inventory_gpu_of(&d->node.inv, &h->addr) : NULL;

		/* A VF holds one vGPU; what is no VF holds many. */
		if (g && g->sriov)
			*GROW(*places, *n) = (struct place){ h->addr, vm->vmid };
	}
}

/* A clone keeps the address of what it was made from; one of the two can run. */
static void find_shared(const struct doctor *d, struct finding *f)
{
	AUTO_FREE struct place *p = NULL;
	size_t n = 0;

	for (size_t i = 0; i < d->nvms; i++)
		add_places(d, &d->vms[i], &p, &n);
	if (n)
		qsort(p, n, sizeof(*p), by_place);
	for (size_t i = 1; i < n; i++)
		if (bdf_eq(&p[i].at, &p[i - 1].at) && p[i].vmid != p[i - 1].vmid)
			find_no(f, DOCTOR_ADVICE,
				xasprintf("vm %u: its config names VF %s, as that of vm %u does: one of them can run at a time",
					  p[i].vmid, BDF_STR(&p[i].at), p[i - 1].vmid),
				xasprintf("pve-vgpu set %u <type> gives it a place of its own", p[i].vmid));
}

void check_clones(struct doctor *d, struct finding *f)
{
	if (!doctor_has_vms(d, f))
		return;
	for (size_t i = 0; i < d->nvms; i++)
		look_at_clone(d, &d->vms[i], f);
	if (!doctor_has_gpus(d, f))
		return;
	find_shared(d, f);
	if (d->nvms)
		find_yes(f, "%zu VM%s of this node", d->nvms, d->nvms == 1 ? "" : "s");
	else
		find_na(f, "this node has no VMs");
}

/* --- leftovers --- */

void check_leftovers(struct doctor *d, struct finding *f)
{
	AUTO_GC_REPORT struct gc_report rep = { 0 };
	AUTO_ERR struct err e = { 0 };
	struct ctx dry = *d->c;
	int rc;

	if (!doctor_has_vms(d, f) || !doctor_has_gpus(d, f))
		return;
	dry.dry_run = true;
	rc = gc_collect(&dry, &d->show.settings, 0, "doctor", &rep, &e);
	if (rc == 0)
		rc = gc_intents(&dry, &d->show.settings, &rep, &e);
	if (rc < 0) {
		err_hint(&e, "pve-vgpu gc --dry-run");
		find_failed(f, DOCTOR_ADVICE, &e);
	}
	for (size_t i = 0; i < rep.removed.n; i++)
		find_no(f, DOCTOR_ADVICE, xstrdup(rep.removed.s[i]), xstrdup("pve-vgpu gc"));
	for (size_t i = 0; i < d->records.n; i++)
		find_no(f, DOCTOR_ADVICE, xstrdup(d->records.s[i]),
			xstrdup("one that is damaged: rm it while its VM does not run, or start that VM; one of a newer version: apt upgrade pve-vgpu; "
				"one that cannot be read: look what it is (stat)"));
	find_yes(f, "none");
}
