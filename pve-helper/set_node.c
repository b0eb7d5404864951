/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What this node has for an intent, and by which mode it can serve it. */
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "pkg_version.h"
#include "plan_asked.h"
#include "quote.h"
#include "scan.h"
#include "set_job.h"
#include "wrapper_there.h"
#include "xalloc.h"

/* The first choice that this node knows. Choices that it does not are for other nodes. */
static int resolve(struct set_job *j, const struct vm_intent *in, const struct vgpu_type **out,
		   struct err *e)
{
	AUTO_ERR struct err first = { 0 };

	*out = NULL;
	for (size_t i = 0; i < in->choices.n; i++) {
		AUTO_ERR struct err why = { 0 };
		const struct vgpu_type *t;
		int rc = scan_resolve(&j->c->root, &j->catalog, &j->inv, in->choices.s[i], NULL, 0, &t,
				      &why);

		if (rc == 0) {
			*out = *out ? *out : t;
			continue;
		}
		if (rc != -ENOENT)
			return err_move(e, &why, rc);
		if (!first.msg)
			fail(&first, rc, "%s", why.msg);
		strlist_take(&j->notes, xasprintf("hostpci%u: %s", in->index, why.msg));
	}
	if (*out)
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

static int check_pcie(const struct set_job *j, struct err *e)
{
	if (!j->vs->pcie || vmconf_is_q35(&j->vm.conf))
		return 0;
	fail(e, -EINVAL, "--pcie: the VM's machine is no q35, which has the PCIe ports");
	err_hint(e, "qm set %u --machine q35, or leave --pcie out", j->vm.vmid);
	return -EINVAL;
}

static void note_x_vga(struct set_job *j)
{
	if (j->vs->x_vga == X_VGA_NONE)
		return;
	strlist_take(&j->notes, xasprintf(
		"x-vga: noVNC and SPICE show nothing%s; NVIDIA's own advice is to leave the VM a display of its own, "
		"and to look at the vGPU through the guest (RDP, VNC in it)",
		j->vm.conf.vga ? " of it" : ", for the VM has no other display then"));
}

static void look_at_frameworks(const struct set_job *j, struct mode_facts *f)
{
	for (size_t i = 0; i < j->vs->n_intents; i++) {
		const struct vm_intent *in = &j->vs->intents[i];

		f->several |= in->choices.n > 1;
		for (size_t k = 0; k < j->inv.ngpus; k++) {
			const struct gpu *g = &j->inv.gpus[k];

			if (!gpu_offer(g, j->types[i]))
				continue;
			if (g->framework == FRAMEWORK_MDEV)
				f->mdev = true;
			else
				f->vendor = true;
		}
	}
}

static int choose_mode(struct set_job *j, struct err *e)
{
	struct mode_facts f = {
		.wrapper = wrapper_there(&j->c->root), .asked = j->vs->mode,
		.placement = j->vs->has_placement && j->vs->placement != PLACEMENT_FIRST,
		.gpu = j->vs->n_gpus || j->vs->boards.n, .params = j->vs->params,
		.x_vga = j->vs->x_vga != X_VGA_NONE, .display = j->vs->display != DISPLAY_UNSET,
		.ramfb = j->vs->ramfb,
	};

	if (package_version(&j->c->root, "qemu-server", &j->qemu_server, NULL) < 0)
		strlist_take(&j->notes, xstrdup("the version of qemu-server on this node cannot be told; it is taken for an old one"));
	f.qemu_server = j->qemu_server;
	look_at_frameworks(j, &f);

	int rc = mode_choose(&f, &j->mode, e);

	if (rc < 0)
		return rc;
	/* What shows in no config has to stand in the settings. */
	if (j->mode.mode == MODE_WRAPPER)
		set_asked_add(j->asked, "mode", "wrapper");
	if (j->mode.mode == MODE_NATIVE && f.several)
		strlist_take(&j->notes, xstrdup("native: the first choice that this node knows is the only one"));
	return 0;
}

static void note_room(struct set_job *j)
{
	if (scan_taken(&j->c->root, &j->catalog, j->vm.vmid, &j->inv, NULL) < 0)
		return;
	for (size_t i = 0; i < j->vs->n_intents; i++) {
		AUTO_PLAN struct plan p = { 0 };
		struct want w = {
			.vmid = j->vm.vmid, .index = j->vs->intents[i].index, .choices = &j->types[i],
			.nchoices = 1, .gpus = j->vs->gpus, .ngpus = j->vs->n_gpus,
			.placement = j->vs->placement,
		};

		plan_asked(&j->c->root, &j->catalog, &j->inv, &w, &p);
		if (!p.ncandidates)
			strlist_take(&j->notes, xasprintf("hostpci%u: no GPU of this node has room for %s now; `pve-vgpu plan %u` "
							  "shows what is in the way", w.index,
							  vgpu_type_name(j->types[i]), j->vm.vmid));
	}
}

int set_node(struct set_job *j, struct err *e)
{
	int rc;

	catalog_load(&j->catalog, &j->c->root);
	rc = scan_gpus(&j->c->root, &j->catalog, &j->inv, e);
	if (rc == 0)
		rc = resolve_all(j, e);
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
