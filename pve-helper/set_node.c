/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What this node has for an intent, and by which mode it can serve it. */
#include <errno.h>
#include <string.h>

#include "args_unit.h"
#include "cleanup.h"
#include "intent.h"
#include "pkg_version.h"
#include "plan_asked.h"
#include "quote.h"
#include "scan.h"
#include "set_job.h"
#include "split_args.h"
#include "wrapper_there.h"
#include "xalloc.h"

/* --- types --- */

static bool has_type(const struct known_types *k, const struct vgpu_type *t)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->t[i] == t)
			return true;
	return false;
}

/* A choice that is there already is none; who names a type twice may well mean two vGPUs. */
static int refuse_twice(const struct set_job *j, const struct vm_intent *in, const char *name,
			const struct vgpu_type *t, struct err *e)
{
	if (in->index != j->asked.index)
		return 0;
	fail(e, -EINVAL, "%s is '%s', which is named before it already: each name is one choice for one vGPU",
	     QUOTED(name), t->key);
	err_hint(e, "name it once; a second vGPU takes another slot, as --index %u",
		 (in->index + 1) % SETTINGS_HOSTPCI_MAX);
	return -EINVAL;
}

/* The choices that this node knows. Those that it does not are for other nodes. */
static int resolve(struct set_job *j, const struct vm_intent *in, struct known_types *out,
		   struct err *e)
{
	AUTO_ERR struct err first = { 0 };

	out->t = xcalloc(in->choices.n, sizeof(*out->t));
	for (size_t i = 0; i < in->choices.n; i++) {
		AUTO_ERR struct err why = { 0 };
		int rc = scan_resolve(&j->c->root, &j->catalog, &j->inv, in->choices.s[i], NULL, 0,
				      &out->t[out->n], &why);

		if (rc == 0 && has_type(out, out->t[out->n])) {
			rc = refuse_twice(j, in, in->choices.s[i], out->t[out->n], e);
			if (rc < 0)
				return rc;
			continue;
		}
		if (rc == 0) {
			out->n++;
			continue;
		}
		if (rc != -ENOENT)
			return err_move(e, &why, rc);
		if (!first.msg)
			fail(&first, rc, "%s", why.msg);
		strlist_take(&j->notes, xasprintf("hostpci%u: %s", in->index, why.msg));
	}
	if (out->n)
		return 0;
	fail(e, -ENOENT, "%s", first.msg);
	err_hint(e, "`pve-vgpu types` lists the types of this node");
	return -ENOENT;
}

static int resolve_all(struct set_job *j, struct err *e)
{
	int rc = 0;

	j->types = xcalloc(j->vs->n_intents, sizeof(*j->types));
	for (size_t i = 0; i < j->vs->n_intents && rc == 0; i++) {
		rc = resolve(j, &j->vs->intents[i], &j->types[i], e);
		if (rc < 0)
			fail_in(e, rc, "hostpci%u", j->vs->intents[i].index);
	}
	inventory_assume_offers(&j->inv);
	return rc;
}

/* What 'gpu =' stands for here. Where nothing of it is on this node, a start here would be refused. */
static int find_gpus(struct set_job *j, struct err *e)
{
	AUTO_STRLIST struct strlist unknown = { 0 };

	for (size_t i = 0; i < j->vs->n_gpus; i++) {
		struct bdf *slot;

		if (!inventory_gpu(&j->inv, &j->vs->gpus[i])) {
			strlist_take(&unknown, xasprintf("no GPU of this node with vGPU types has the address %s",
							 BDF_STR(&j->vs->gpus[i])));
			continue;
		}
		slot = GROW(j->gpus, j->ngpus);
		*slot = j->vs->gpus[i];
	}
	intent_boards(j->c, &j->vs->boards, &j->catalog, &j->inv, NULL, 0, &j->gpus, &j->ngpus,
		      &unknown);
	if (unknown.n && !j->ngpus && j->vm.local) {
		fail(e, -ENODEV, "'gpu': %s", unknown.s[0]);
		err_hint(e, "a board is the name of its types without the size, and an address that of a GPU (`pve-vgpu types`)");
		return -ENODEV;
	}
	for (size_t i = 0; i < unknown.n; i++)
		strlist_take(&j->notes, xasprintf("'gpu': %s", unknown.s[i]));
	return 0;
}

struct want set_want(const struct set_job *j, size_t i)
{
	return (struct want){
		.vmid = j->vm.vmid, .index = j->vs->intents[i].index, .choices = j->types[i].t,
		.nchoices = j->mode.mode == MODE_NATIVE ? 1 : j->types[i].n, .gpus = j->gpus,
		.ngpus = j->ngpus, .placement = j->vs->placement, .mdev_only = j->mode.mode == MODE_ARGS,
	};
}

/* --- mode --- */

static int check_pcie(const struct set_job *j, struct err *e)
{
	if (!j->vs->pcie || vmconf_is_q35(&j->vm.next))
		return 0;
	fail(e, -EINVAL, "pcie: the VM's machine is no q35, which has the PCIe ports");
	err_hint(e, "qm set %u --machine q35, or --no-pcie", j->vm.vmid);
	return -EINVAL;
}

static void note_x_vga(struct set_job *j)
{
	if (j->vs->x_vga == X_VGA_NONE)
		return;
	strlist_take(&j->notes, xasprintf(
		"x-vga: noVNC and SPICE show nothing%s; better leave it off unless the guest needs it, and look at the vGPU "
		"through the guest (RDP, VNC in it)",
		j->vm.next.vga ? " of it" : ", for the VM has no other display then"));
}

static void look_at_gpu(const struct gpu *g, struct mode_facts *f)
{
	if (g->framework == FRAMEWORK_MDEV) {
		f->mdev = true;
		return;
	}
	f->other_domain = (!f->vendor || f->other_domain) && g->addr.domain;
	f->vendor = true;
}

static void look_at_frameworks(const struct set_job *j, struct mode_facts *f)
{
	for (size_t i = 0; i < j->vs->n_intents; i++) {
		f->several |= j->vs->intents[i].choices.n > 1;
		f->nvidia |= j->types[i].t[0]->number != 0;
		for (size_t k = 0; k < j->inv.ngpus; k++)
			if (gpu_offer(&j->inv.gpus[k], j->types[i].t[0]))
				look_at_gpu(&j->inv.gpus[k], f);
	}
}

/* Whether the VM's args give QEMU a -uuid, but for ours. */
static bool has_own_uuid(const struct set_job *j)
{
	AUTO_FREE char *rest = NULL;

	return args_units_write(j->vm.next.args, j->vm.vmid, NULL, 0, NULL, &rest, NULL) == 0 &&
		args_give_uuid(rest);
}

static bool has_smbios_uuid(const struct vmconf *conf)
{
	AUTO_FREE char *uuid = conf->smbios1 ? vmconf_property(conf->smbios1, "uuid", NULL) : NULL;

	return uuid;
}

static int choose_mode(struct set_job *j, struct err *e)
{
	struct mode_facts f = {
		.wrapper = wrapper_there(&j->c->root), .inject_uuid = j->after.inject_uuid,
		.asked = j->vs->mode, .kept = !set_asked_has(&j->asked, "mode"),
		.own_uuid = has_own_uuid(j), .smbios_uuid = has_smbios_uuid(&j->vm.next),
		.placement = j->vs->has_placement && j->vs->placement != PLACEMENT_FIRST,
		.gpu = j->vs->n_gpus || j->vs->boards.n, .params = j->vs->params,
		.x_vga = j->vs->x_vga != X_VGA_NONE, .display = j->vs->display != DISPLAY_UNSET,
		.ramfb = j->vs->ramfb,
	};
	int rc;

	if (package_version(&j->c->root, "qemu-server", &j->qemu_server, NULL) < 0)
		strlist_take(&j->notes, xstrdup("the version of qemu-server on this node cannot be told; it is taken for an old one"));
	f.qemu_server = j->qemu_server;
	look_at_frameworks(j, &f);
	rc = mode_choose(&f, &j->mode, e);
	/* What shows in no config has to stand in the settings. */
	if (rc == 0 && j->mode.mode == MODE_WRAPPER)
		set_asked_add(&j->asked, "mode", "wrapper");
	return rc;
}

/* --- room --- */

/* What shows why: of a vGPU that is left to qemu-server `plan <vmid>` says only that. */
static char *room_command(const struct set_job *j, const struct want *w)
{
	bool vendor = false;

	for (size_t i = 0; i < j->inv.ngpus; i++)
		vendor |= j->inv.gpus[i].framework == FRAMEWORK_NVIDIA_VFIO && gpu_offer(&j->inv.gpus[i], w->choices[0]);
	if (j->mode.mapping && (vendor || !(j->vs->params || j->vs->has_placement || w->ngpus)))
		return xstrdup("plan --fit");
	return xasprintf("plan %u", j->vm.vmid);
}

/* Where a start would put it now, as if it was there already: the VM's next one goes elsewhere. */
static void note_room_of(struct set_job *j, size_t i)
{
	AUTO_PLAN struct plan p = { 0 };
	struct want w = set_want(j, i);
	struct vgpu v;

	plan_asked(&j->c->root, &j->catalog, &j->inv, &w, &p);
	if (!p.ncandidates) {
		AUTO_FREE char *command = room_command(j, &w);

		strlist_take(&j->notes, xasprintf("hostpci%u: no GPU of this node has room for %s now; `pve-vgpu %s` "
						  "shows what is in the way", w.index,
						  vgpu_type_name(w.choices[0]), command));
		return;
	}
	plan_vgpu(&p.candidates[0], &w, &v);
	inventory_add(&j->inv, &v);
	vgpu_clear(&v);
}

/* What the VM has now it gives back before it starts again. */
static void drop_own(struct set_job *j)
{
	for (size_t i = j->inv.nvgpus; i-- > 0;)
		if (j->inv.vgpus[i].vmid == j->vm.vmid)
			inventory_drop(&j->inv, i);
}

static void note_room(struct set_job *j)
{
	if (scan_taken(&j->c->root, &j->catalog, j->vm.vmid, &j->inv, NULL) < 0)
		return;
	drop_own(j);
	for (size_t i = 0; i < j->vs->n_intents; i++)
		note_room_of(j, i);
	drop_own(j);
}

int set_node(struct set_job *j, struct err *e)
{
	int rc;

	catalog_load(&j->catalog, &j->c->root);
	rc = scan_gpus(&j->c->root, &j->catalog, &j->inv, e);
	if (rc == 0)
		rc = resolve_all(j, e);
	if (rc == 0)
		rc = find_gpus(j, e);
	if (rc == 0)
		rc = check_pcie(j, e);
	if (rc == 0)
		rc = choose_mode(j, e);
	if (rc < 0)
		return rc;
	note_x_vga(j);
	if (j->vm.local)
		note_room(j);
	else
		strlist_take(&j->notes, xasprintf("the VM is on node '%s': types and mode are those of this node", j->vm.node));
	return 0;
}
