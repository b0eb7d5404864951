/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `doctor` asks for the guests' sake: QEMU's -uuid, and the licence. */
#include <string.h>

#include "attach.h"
#include "cleanup.h"
#include "doctor.h"
#include "guest_data.h"
#include "mode.h"
#include "mode_choice.h"
#include "pkg_version.h"
#include "scan.h"
#include "split_args.h"
#include "vm_uuid.h"
#include "wrapper_there.h"
#include "xalloc.h"

/* --- -uuid --- */

static int mark(void *arg, unsigned int vmid, unsigned int index)
{
	bool *nvidia = arg;

	(void)vmid;
	if (index < VMCONF_HOSTPCI_MAX)
		nvidia[index] = true;
	return 0;
}

static bool any(const bool nvidia[static VMCONF_HOSTPCI_MAX])
{
	for (size_t i = 0; i < VMCONF_HOSTPCI_MAX; i++)
		if (nvidia[i])
			return true;
	return false;
}

static char *mend_uuid(const struct doctor *d, const struct vm_file *vm,
		       const bool nvidia[static VMCONF_HOSTPCI_MAX])
{
	const struct vm_settings *vs = settings_section(&d->show.settings, vm->vmid);
	AUTO_FREE char *uuid = vm_uuid(&vm->next, vm->vmid, nvidia);

	if (vs && vs->n_intents && !vs->fault)
		return mode_set_command(vs, &vs->intents[0]);
	return xasprintf("add it to the VM's args (qm config %u shows them): -uuid %s; or apt install " WRAPPER_PACKAGE,
			 vm->vmid, uuid);
}

/*
 * qemu-server gives it for hostpci<N> lines alone, the wrapper for any mdev of
 * NVIDIA's on the command line. Returns whether the VM has such a vGPU.
 */
static bool look_at_uuid(const struct doctor *d, const struct vm_file *vm, struct finding *f)
{
	bool by_config[VMCONF_HOSTPCI_MAX] = { false }, all[VMCONF_HOSTPCI_MAX];

	vm_uuid_mark(&vm->next, by_config);
	memcpy(all, by_config, sizeof(all));
	if (d->nvidia)
		attach_args_uuids(&vm->next, mark, all);
	if (vm->next.template || !any(all))
		return false;
	if (args_give_uuid(vm->next.args) || (d->wrapper && d->show.settings.inject_uuid) ||
	    (any(by_config) && d->qemu_server && version_at_least(d->qemu_server, MODE_SINCE_UUID)))
		return true;
	find_no(f, DOCTOR_BLOCKS,
		xasprintf("vm %u: nobody gives its QEMU a -uuid, without which NVIDIA's driver serves no vGPU%s", vm->vmid,
			  any(by_config) ? " (qemu-server does from " MODE_SINCE_UUID " on)" :
			  ": what is in args alone gets none from qemu-server"), mend_uuid(d, vm, all));
	return true;
}

void check_uuid(struct doctor *d, struct finding *f)
{
	size_t n = 0;

	if (!doctor_has_vms(d, f))
		return;
	for (size_t i = 0; i < d->nvms; i++)
		n += look_at_uuid(d, &d->vms[i], f);
	/* Whose a vGPU in args is shows in the GPUs. */
	if (!doctor_has_gpus(d, f))
		return;
	if (n)
		find_yes(f, "%zu VM%s of this node", n, n == 1 ? "" : "s");
	else
		find_na(f, "no VM of this node has a vGPU of NVIDIA's in its config");
}

/* --- the licence --- */

/* What a guest has to be licensed for by its type (NVIDIA vGPU software, virtual GPU types); NULL: nothing that is known. */
static const char *licence_of(const char *name)
{
	switch (guest_series(name)) {
	case 'Q':
		return "RTX Virtual Workstation (vWS)";
	case 'B':
		return "Virtual PC (vPC)";
	case 'A':
		return "Virtual Applications (vApps)";
	case 'C':
		return "AI Enterprise or Virtual Compute Server";
	default:
		return NULL;
	}
}

static const char *name_of(struct doctor *d, const struct vm_intent *in)
{
	const struct vgpu_type *t;

	if (d->has_node && scan_resolve(d->r, &d->node.catalog, &d->node.inv, in->choices.s[0], NULL, 0, &t, NULL) == 0)
		return vgpu_type_name(t);
	return in->choices.s[0];
}

/* Whether cloud-init brings the guest vendor data of ours with a token in it. */
static bool has_token(const struct doctor *d, const struct vmconf *conf)
{
	AUTO_FREE char *volume = conf->cicustom ? vmconf_property(conf->cicustom, "vendor", NULL) : NULL;
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *text = NULL;
	size_t len;

	if (!volume || storage_snippet_path(&d->show.storages, volume, &path, NULL) < 0 ||
	    root_read(d->r, path + (*path == '/'), &text, &len, NULL) < 0)
		return false;
	/* Data of the admin's own may have it, too. */
	return !guest_is_ours(text) || guest_has_token(text);
}

static void look_at_licence(struct doctor *d, const struct show_vm *vm, struct strlist *hints,
			    struct finding *f)
{
	const char *name = vm->vs && vm->vs->n_intents ? name_of(d, &vm->vs->intents[0]) : "";
	const char *licence = licence_of(name);

	if (!licence || !vm->has_conf || vm->conf.template)
		return;
	if (vm->conf.cloudinit && !has_token(d, &vm->conf))
		find_no(f, DOCTOR_ADVICE,
			xasprintf("vm %u: its guest needs a licence for %s (%s), and cloud-init brings it no token", vm->vmid, licence,
				  name),
			xasprintf("pve-vgpu guest %u --token-file <file> --storage <storage>", vm->vmid));
	else
		strlist_take(hints, xasprintf("vm %u: %s", vm->vmid, licence));
}

void check_licence(struct doctor *d, struct finding *f)
{
	AUTO_STRLIST struct strlist hints = { 0 };
	const struct show_vm *vm;

	if (!doctor_has_vms(d, f))
		return;
	for (size_t i = 0; (vm = doctor_next_vm(d, &i));)
		look_at_licence(d, vm, &hints, f);
	/* Which type an id is of, the GPUs tell. */
	if (!hints.n && !doctor_has_gpus(d, f))
		return;
	if (!hints.n) {
		find_na(f, "no guest of this node needs one");
		return;
	}

	AUTO_FREE char *all = strlist_join(&hints, "; ");

	find_yes(f, "to be had in the guest (token in /etc/nvidia/ClientConfigToken): %s", all);
}
