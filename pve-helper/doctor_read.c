/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `doctor` reads of the node, and what its checks share. */
#include <stdarg.h>
#include <string.h>

#include "cleanup.h"
#include "doctor.h"
#include "node_conf_file.h"
#include "pci_tree.h"
#include "pkg_version.h"
#include "quote.h"
#include "runstate.h"
#include "scan.h"
#include "wrapper_there.h"
#include "xalloc.h"

/* --- findings --- */

__attribute__((format(printf, 3, 0)))
static void answer(struct finding *f, enum doctor_answer a, const char *fmt, va_list ap)
{
	if (f->answer == DOCTOR_NO)
		return;

	AUTO_FREE char *text = xvasprintf(fmt, ap);

	f->answer = a;
	free(f->note);
	f->note = text_clean(text, strlen(text));
}

void find_yes(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	answer(f, DOCTOR_YES, fmt, ap);
	va_end(ap);
}

void find_na(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	answer(f, DOCTOR_NA, fmt, ap);
	va_end(ap);
}

void find_no(struct finding *f, enum doctor_weight weight, char *what, char *mend)
{
	struct doctor_problem *p = GROW(f->problems, f->n);

	free(take_ptr(f->note));
	f->answer = DOCTOR_NO;
	p->weight = weight;
	p->what = text_clean(what, strlen(what));
	p->mend = mend ? text_clean(mend, strlen(mend)) : NULL;
	free(what);
	free(mend);
}

void find_failed(struct finding *f, enum doctor_weight weight, struct err *e)
{
	find_no(f, weight, take_ptr(e->msg), take_ptr(e->hint));
	err_clear(e);
}

/* --- reading --- */

static void list_sriov(struct doctor *d)
{
	const struct inventory *inv = &d->node.inv;
	const struct health *h = &d->node.health;

	for (size_t i = 0; i < inv->ngpus; i++)
		if (inv->gpus[i].sriov)
			bdf_list_add(&d->sriov, &inv->gpus[i].addr);
	for (size_t i = 0; i < h->n; i++)
		if (h->sick[i].what == AILMENT_NO_VFS && !bdf_list_has(&d->sriov, &h->sick[i].addr))
			bdf_list_add(&d->sriov, &h->sick[i].addr);
	bdf_list_sort(&d->sriov);
}

static bool has_nvidia(const struct doctor *d)
{
	AUTO_BDF_LIST struct bdf_list bound = { 0 };

	pci_list(d->r, "sys/bus/pci/drivers/nvidia", &bound, NULL);
	return bound.n || d->node.health.n;
}

/* As a start sees it, and what ails the GPUs. */
static void read_node(struct doctor *d)
{
	struct sriov_node *n = &d->node;
	AUTO_RUNSTATE_LIST struct runstate_list states = { 0 };

	n->c = d->c;
	d->has_conf = node_conf_read(d->r, &n->conf, &d->conf_err) == 0;
	catalog_load(&n->catalog, d->r);
	/* Where no sysfs is mounted a scan finds nothing, and that is no failure of its own. */
	if (pci_shown(d->r, &d->node_err) < 0 ||
	    scan_gpus(d->r, &n->catalog, &n->inv, &d->node_err) < 0 ||
	    scan_taken(d->r, &n->catalog, 0, &n->inv, &d->node_err) < 0)
		return;
	runstate_list_read(d->r, &states, &d->records, NULL);
	health_check(d->r, &n->catalog, &n->inv, false, &n->health);
	d->has_node = true;
	list_sriov(d);
	d->nvidia = has_nvidia(d);
}

static bool is_here(const struct doctor *d, const struct cluster_guest *g)
{
	return !g->container && d->show.node && !strcmp(g->node, d->show.node);
}

/* A config that cannot be read is told of by show, where the VM is to get anything. */
static void read_vms(struct doctor *d)
{
	for (size_t i = 0; i < d->show.guests.n; i++) {
		const struct cluster_guest *g = &d->show.guests.guests[i];
		struct vm_file vm = { 0 };

		if (!is_here(d, g))
			continue;
		if (vm_file_read(d->r, g->vmid, &vm, NULL) < 0) {
			vm_file_free(&vm);
			continue;
		}

		struct vm_file *slot = GROW(d->vms, d->nvms);

		*slot = vm;
	}
}

void doctor_read(struct ctx *c, struct doctor *d)
{
	size_t len;

	*d = (struct doctor){ .c = c, .r = &c->root };
	read_node(d);
	d->has_show = show_gather(c, 0, &d->show, &d->show_err) == 0;
	if (d->has_show)
		read_vms(d);
	if (root_read_attr(d->r, "proc/sys/kernel/osrelease", &d->kernel, NULL) < 0)
		d->kernel = NULL;
	if (root_read(d->r, "proc/cmdline", &d->cmdline, &len, NULL) < 0)
		d->cmdline = NULL;
	if (package_version(d->r, "qemu-server", &d->qemu_server, NULL) < 0)
		d->qemu_server = NULL;
	d->wrapper = wrapper_there(d->r);
}

void doctor_free(struct doctor *d)
{
	for (size_t i = 0; i < d->nvms; i++)
		vm_file_free(&d->vms[i]);
	free(take_ptr(d->vms));
	show_free(&d->show);
	sriov_node_free(&d->node);
	strlist_free(&d->records);
	bdf_list_free(&d->sriov);
	err_clear(&d->node_err);
	err_clear(&d->conf_err);
	err_clear(&d->show_err);
	free(take_ptr(d->kernel));
	free(take_ptr(d->cmdline));
	free(take_ptr(d->qemu_server));
}

/* --- questions --- */

bool doctor_has_gpus(const struct doctor *d, struct finding *f)
{
	if (!d->has_node)
		find_na(f, "the GPUs could not be read; see gpus");
	return d->has_node;
}

bool doctor_has_conf_and_gpus(const struct doctor *d, struct finding *f)
{
	if (d->has_conf && d->has_node)
		return true;
	find_na(f, "see node-conf and gpus");
	return false;
}

bool doctor_has_vms(const struct doctor *d, struct finding *f)
{
	if (!d->has_show)
		find_na(f, "settings and VMs could not be read; see settings");
	return d->has_show;
}

bool doctor_serves(const struct doctor *d, const struct bdf *gpu)
{
	const struct gpu *g = inventory_gpu(&d->node.inv, gpu);
	const struct sick_gpu *sick = health_of(&d->node.health, gpu);

	return g && !g->unbound && (!sick || sick->serves);
}

bool doctor_any_serves(const struct doctor *d)
{
	for (size_t i = 0; i < d->node.inv.ngpus; i++)
		if (doctor_serves(d, &d->node.inv.gpus[i].addr))
			return true;
	return false;
}

enum said doctor_asks_sriov(const struct doctor *d, const struct bdf *gpu)
{
	struct node_keys keys;

	if (!d->has_conf || sriov_node_keys(&d->node, gpu, &keys, NULL) < 0)
		return SAID_NOTHING;
	return keys.sriov;
}

enum doctor_weight doctor_weigh(const struct doctor *d, const struct bdf *gpu)
{
	if (!doctor_any_serves(d))
		return DOCTOR_BLOCKS;
	return doctor_asks_sriov(d, gpu) == SAID_YES ? DOCTOR_BLOCKS : DOCTOR_ADVICE;
}

/* Passed through whole, or with a screen on it, may well be meant; and some of its VFs are enough. */
static enum doctor_weight weigh_sick(const struct doctor *d, const struct sick_gpu *s)
{
	if (s->serves || (doctor_any_serves(d) && (s->what == AILMENT_PASSTHROUGH || s->what == AILMENT_NOUVEAU)))
		return DOCTOR_ADVICE;
	return doctor_weigh(d, &s->addr);
}

void doctor_ailment(const struct doctor *d, enum ailment what, struct finding *f)
{
	for (size_t i = 0; i < d->node.health.n; i++) {
		const struct sick_gpu *s = &d->node.health.sick[i];

		if (s->what == what)
			find_no(f, weigh_sick(d, s), xasprintf("GPU %s: %s", BDF_STR(&s->addr), health_cause(what)),
				health_cure(what, &s->addr));
	}
}

const struct show_vm *doctor_next_vm(const struct doctor *d, size_t *i)
{
	while (*i < d->show.n) {
		const struct show_vm *vm = &d->show.vms[(*i)++];

		if (vm->here)
			return vm;
	}
	return NULL;
}
