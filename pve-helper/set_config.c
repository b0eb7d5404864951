/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the VM's config has to say for an intent: hostpci lines, args, hookscript. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "args_unit.h"
#include "cleanup.h"
#include "framework.h"
#include "hostpci_line.h"
#include "mapping_ensure.h"
#include "pkg_version.h"
#include "plan_asked.h"
#include "quote.h"
#include "set_job.h"
#include "vm_uuid.h"
#include "xalloc.h"

#define SINCE_UUID	"7.2-4"		/* qemu-server gives -uuid itself: its debian/changelog */

/* --- native: where the vGPU comes from --- */

/* "vgpu-A40", by what the type's board is called; the caller frees it. */
static char *mapping_id(const struct vgpu_type *t)
{
	AUTO_FREE char *board = xstrndup(t->full_name, vgpu_type_board_len(t));
	const char *blank = strrchr(board, ' ');
	char *id = xasprintf("vgpu-%s", blank ? blank + 1 : board);

	for (char *s = id; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_')
			*s = '-';
	return id;
}

/* The first parent of this node that has the type. */
static const struct bdf *any_parent(const struct set_job *j, const struct vgpu_type *t)
{
	for (size_t i = 0; i < j->inv.ngpus; i++)
		if (gpu_offer(&j->inv.gpus[i], t) && j->inv.gpus[i].nparents)
			return &j->inv.gpus[i].parents[0];
	return NULL;
}

/* What qemu-server calls the type on this parent. */
static char *type_on(const struct set_job *j, const struct bdf *parent, const struct vgpu_type *t)
{
	const struct gpu *g = inventory_gpu_of(&j->inv, parent);
	char *name = NULL;

	if (g && g->framework == FRAMEWORK_MDEV)
		mdev_type_dirname(&j->c->root, parent, t->key, &name, NULL);
	return name ? name : xstrdup(t->key);
}

static bool may_use(const struct set_job *j, const struct bdf *gpu)
{
	struct want w = { .gpus = j->vs->gpus, .ngpus = j->vs->n_gpus };

	return want_may_use(&w, gpu);
}

/* An address that the config names already, and that serves, stays. */
static bool keeps_address(const struct set_job *j, const struct hostpci *h,
			  const struct vgpu_type *t, struct bdf *out)
{
	const struct gpu *g = h->has_addr && h->mdev ? inventory_gpu_of(&j->inv, &h->addr) : NULL;

	if (!g || !gpu_offer(g, t) || !may_use(j, &g->addr))
		return false;
	*out = h->addr;
	return true;
}

/* The parent that is best now; where all are full, one that has the type. */
static int best_address(struct set_job *j, size_t i, struct bdf *out, struct err *e)
{
	const struct vgpu_type *t = j->types[i];
	AUTO_PLAN struct plan p = { 0 };
	struct want w = {
		.vmid = j->vm.vmid, .index = j->vs->intents[i].index, .choices = &t, .nchoices = 1,
		.gpus = j->vs->gpus, .ngpus = j->vs->n_gpus, .placement = j->vs->placement,
	};
	const struct bdf *any = any_parent(j, t);
	struct vgpu v;

	plan_asked(&j->c->root, &j->catalog, &j->inv, &w, &p);
	if (!p.ncandidates && !any)
		return fail(e, -ENODEV, "no GPU of this node has a parent device for %s", vgpu_type_name(t));
	if (!p.ncandidates) {
		*out = *any;
		return 0;
	}
	*out = p.candidates[0].parent;
	/* The next index of the VM goes elsewhere. */
	plan_vgpu(&p.candidates[0], &w, &v);
	inventory_add(&j->inv, &v);
	vgpu_clear(&v);
	return 0;
}

/* A mapping that the line names already, and that serves: an admin may have one of their own. */
static bool keeps_mapping(const struct set_job *j, const struct hostpci *h)
{
	AUTO_MAPPINGS struct mapping_list l = { 0 };
	AUTO_STRLIST struct strlist faults = { 0 };
	const struct mapping *m;

	if (!h->mapping || !h->mdev || mapping_list_read(&j->c->root, &l, NULL) < 0)
		return false;
	m = mapping_find(&l, h->mapping);
	if (m)
		mapping_check(&j->c->root, m, j->vm.node, &faults);
	return m && !faults.n;
}

/* "mapping=vgpu-A40" or "0000:e8:00.4", and the type's name there. */
static int native_source(struct set_job *j, size_t i, const struct hostpci *h, char **where,
			 char **mdev, struct err *e)
{
	const struct vgpu_type *t = j->types[i];
	const struct bdf *first = any_parent(j, t);
	struct bdf addr;
	int rc;

	if (j->mode.mapping && first) {
		AUTO_FREE char *id = mapping_id(t);
		bool keeps = keeps_mapping(j, h) && strcmp(h->mapping, id) != 0;

		*where = xasprintf("mapping=%s", keeps ? h->mapping : id);
		strlist_add(&j->mappings, keeps ? "" : id);
		*mdev = type_on(j, first, t);
		return 0;
	}
	if (!j->vm.local) {
		fail(e, -EINVAL, "the VM is on node '%s', and its hostpci%u is to name an address there",
		     j->vm.node, j->vs->intents[i].index);
		err_hint(e, "run this on node '%s'", j->vm.node);
		return -EINVAL;
	}
	if (!keeps_address(j, h, t, &addr)) {
		rc = best_address(j, i, &addr, e);
		if (rc < 0)
			return rc;
	}
	*where = xstrdup(BDF_STR(&addr));
	*mdev = type_on(j, &addr, t);
	return 0;
}

static int want_native(struct set_job *j, size_t i, struct err *e)
{
	unsigned int index = j->vs->intents[i].index;
	AUTO_FREE char *key = xasprintf("hostpci%u", index), *where = NULL, *mdev = NULL, *value = NULL;
	const char *has = vm_file_next(&j->vm, key);
	struct hostpci line = { 0 };
	int rc;

	hostpci_parse(has ? has : "", &line);
	rc = native_source(j, i, &line, &where, &mdev, e);
	hostpci_free(&line);
	if (rc < 0)
		return rc;
	value = hostpci_line(has, where, mdev, j->vs->pcie, vm_settings_x_vga(j->vs, index));
	config_want(&j->changes, &j->vm, key, value);
	return 0;
}

/* --- args --- */

/* Whether a line that is not ours brings an NVIDIA vGPU, for which qemu-server gives a -uuid. */
static bool has_other_nvidia(const struct set_job *j)
{
	bool nvidia[VMCONF_HOSTPCI_MAX] = { false };

	vm_uuid_mark(&j->vm.conf, nvidia);
	for (unsigned int i = 0; i < VMCONF_HOSTPCI_MAX; i++)
		if (nvidia[i] && !settings_has_intent(&j->after, j->vm.vmid, i))
			return true;
	return false;
}

/* The -uuid for the args; NULL where none is to be there. The caller frees it. */
static char *uuid_for_args(const struct set_job *j)
{
	bool nvidia[VMCONF_HOSTPCI_MAX] = { false };

	if (has_other_nvidia(j) && j->qemu_server && version_at_least(j->qemu_server, SINCE_UUID))
		return NULL;
	for (size_t i = 0; i < j->vs->n_intents; i++)
		nvidia[j->vs->intents[i].index] = j->types[i]->number != 0;
	return vm_uuid(&j->vm.conf, j->vm.vmid, nvidia);
}

static enum pci_slot slot_of(const struct set_job *j)
{
	if (!j->vs->pcie)
		return PCI_SLOT_CONVENTIONAL;
	return j->vm.conf.ostype && !strcmp(j->vm.conf.ostype, "win7") ? PCI_SLOT_EXPRESS_BUS :
		PCI_SLOT_EXPRESS;
}

/* The args with our units as the mode wants them: all of the VM's, or none. */
static int want_args(struct set_job *j, struct err *e)
{
	struct qemu_device d[VMCONF_HOSTPCI_MAX] = { 0 };
	size_t n = j->mode.mode == MODE_ARGS ? j->vs->n_intents : 0;
	const char *has = vm_file_next(&j->vm, "args");
	AUTO_FREE char *uuid = n ? uuid_for_args(j) : NULL;
	AUTO_FREE char *args = NULL;
	int rc;

	for (size_t i = 0; i < n; i++) {
		d[i] = (struct qemu_device){
			.index = j->vs->intents[i].index, .slot = slot_of(j),
			.display = j->vs->display, .ramfb = j->vs->ramfb,
		};
		vgpu_pve_uuid(j->vm.vmid, d[i].index, d[i].uuid);
	}
	/* Where nothing of ours is or is to be in them, they are the admin's business, good or bad. */
	if (!n && !args_may_have_unit(has, j->vm.vmid))
		return 0;
	rc = args_units_write(has, j->vm.vmid, d, n, uuid, &args, e);
	if (rc == 0)
		config_want(&j->changes, &j->vm, "args", args);
	return rc;
}

/* --- all of it --- */

int set_config(struct set_job *j, struct err *e)
{
	int rc = 0;

	config_want(&j->changes, &j->vm, "hookscript", j->volid);
	for (size_t i = 0; i < j->vs->n_intents && rc == 0; i++) {
		AUTO_FREE char *key = xasprintf("hostpci%u", j->vs->intents[i].index);

		if (j->mode.mode == MODE_NATIVE)
			rc = want_native(j, i, e);
		else
			config_want(&j->changes, &j->vm, key, NULL);
	}
	return rc < 0 ? rc : want_args(j, e);
}

/* All parents of this node that offer the type. */
static void parents_of(const struct set_job *j, const struct vgpu_type *t, struct bdf **out, size_t *n)
{
	for (size_t i = 0; i < j->inv.ngpus; i++) {
		const struct gpu *g = &j->inv.gpus[i];

		for (size_t k = 0; gpu_offer(g, t) && k < g->nparents - g->driverless; k++) {
			struct bdf *slot = GROW(*out, *n);

			*slot = g->parents[k];
		}
	}
}

int set_mappings(struct set_job *j, struct strlist *said, struct err *e)
{
	int rc = 0;

	/* Another node's devices are not known here. */
	for (size_t i = 0; i < j->mappings.n && rc == 0 && j->vm.local; i++) {
		AUTO_FREE struct bdf *parents = NULL;
		size_t n = 0;

		if (!*j->mappings.s[i])
			continue;
		parents_of(j, j->types[i], &parents, &n);
		rc = mapping_ensure(&j->c->root, parents, n, j->mappings.s[i], j->c->dry_run, said, e);
	}
	return rc;
}
