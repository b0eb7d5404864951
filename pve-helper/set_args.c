/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The args of a VM's config as `set` wants them: the units of its vGPUs, and nobody else's. */
#include <errno.h>
#include <string.h>

#include "args_unit.h"
#include "args_carried.h"
#include "cleanup.h"
#include "pkg_version.h"
#include "set_job.h"
#include "vm_uuid.h"
#include "xalloc.h"

#define SINCE_UUID	"7.2-4"		/* qemu-server gives -uuid itself: its debian/changelog */

/* Whether a line that is not ours brings an NVIDIA vGPU, for which qemu-server gives a -uuid. */
static bool has_other_nvidia(const struct set_job *j)
{
	bool nvidia[VMCONF_HOSTPCI_MAX] = { false };

	vm_uuid_mark(&j->vm.next, nvidia);
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
		nvidia[j->vs->intents[i].index] = j->types[i].t[0]->number != 0;
	return vm_uuid(&j->vm.next, j->vm.vmid, nvidia);
}

static enum pci_slot slot_of(const struct set_job *j)
{
	if (!j->vs->pcie)
		return PCI_SLOT_CONVENTIONAL;
	return j->vm.next.ostype && !strcmp(j->vm.next.ostype, "win7") ? PCI_SLOT_EXPRESS_BUS :
		PCI_SLOT_EXPRESS;
}

/* Our units as the mode wants them: all of the VM's, or none. */
static int write_units(const struct set_job *j, const char *has, char **out, struct err *e)
{
	struct qemu_device d[VMCONF_HOSTPCI_MAX] = { 0 };
	size_t n = j->mode.mode == MODE_ARGS ? j->vs->n_intents : 0;
	AUTO_FREE char *uuid = n ? uuid_for_args(j) : NULL;

	for (size_t i = 0; i < n; i++) {
		d[i] = (struct qemu_device){
			.index = j->vs->intents[i].index, .slot = slot_of(j),
			.display = j->vs->display, .ramfb = j->vs->ramfb,
		};
		vgpu_pve_uuid(j->vm.vmid, d[i].index, d[i].uuid);
	}
	return args_units_write(has, j->vm.vmid, d, n, uuid, out, e);
}

/* In another mode, words of the admin's that name one of the vGPUs would attach it a second time. */
static int check_twice(const struct set_job *j, const char *args, struct err *e)
{
	for (size_t i = 0; i < j->vs->n_intents && j->mode.mode != MODE_ARGS; i++) {
		unsigned int index = j->vs->intents[i].index;
		char uuid[UUID_TEXT_LEN];

		vgpu_pve_uuid(j->vm.vmid, index, uuid);
		if (!args || !strstr(args, uuid))
			continue;
		fail(e, -EEXIST, "args of the VM's config attach the vGPU of hostpci%u already, in words that are not pve-vgpu's",
		     index);
		err_hint(e, "take it out of them: qm set %u --args … (qm config %u shows them)", j->vm.vmid,
			 j->vm.vmid);
		return -EEXIST;
	}
	return 0;
}

int set_args(struct set_job *j, struct err *e)
{
	const char *has = vm_file_next(&j->vm, "args");
	AUTO_FREE char *own = NULL, *args = NULL;
	int rc = args_drop_carried(&j->before, j->vm.vmid, has, &own, &j->notes, e);

	if (rc == 0)
		rc = args_check_carried(&j->before, j->vm.vmid, own, e);
	if (rc < 0)
		return rc;
	/* Where nothing of ours is or is to be in them, they are the admin's business, good or bad. */
	if (j->mode.mode == MODE_ARGS || args_may_have_unit(own, j->vm.vmid))
		rc = write_units(j, own, &args, e);
	else
		args = take_ptr(own);
	if (rc == 0)
		rc = check_twice(j, args, e);
	if (rc == 0)
		config_want(&j->changes, &j->vm, "args", args);
	return rc;
}
