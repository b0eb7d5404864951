/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "devices.h"

#include "cleanup.h"
#include "vm_uuid.h"

static bool is_nvidia(const struct want *w)
{
	for (size_t i = 0; i < w->nchoices; i++)
		if (w->choices[i]->number)
			return true;
	return false;
}

static void add_devices(const struct vm_settings *vs, const struct want_list *l,
			struct runstate *now)
{
	for (size_t i = 0; i < l->n; i++) {
		unsigned int index = l->w[i].index;
		struct run_device d = {
			.index = index, .add = true, .pcie = vs->pcie, .display = vs->display,
			.ramfb = vs->ramfb, .x_vga = vm_settings_x_vga(vs, index),
		};

		if (l->attach[i] == ATTACH_WRAPPER)
			runstate_add_device(now, &d);
	}
	for (size_t i = 0; i < l->nleft; i++) {
		struct run_device d = { .index = l->left[i].index, .params = vs->params };

		if (vs->params)
			runstate_add_device(now, &d);
	}
}

/*
 * Where qemu-server attaches an NVIDIA vGPU beside ours, or a version before
 * 7.2-4 does, the wrapper sees what -uuid is there already.
 */
static char *uuid_of(const struct vmconf *conf, const struct want_list *l, unsigned int vmid)
{
	bool nvidia[VMCONF_HOSTPCI_MAX] = { false }, any = false;

	for (size_t i = 0; i < l->n; i++)
		if (l->attach[i] == ATTACH_WRAPPER && is_nvidia(&l->w[i]))
			any = nvidia[l->w[i].index] = true;
	vm_uuid_mark(conf, nvidia);
	return any ? vm_uuid(conf, vmid, nvidia) : NULL;
}

void devices_set(const struct vm_settings *vs, const struct vmconf *conf,
		 const struct want_list *l, struct runstate *now)
{
	runstate_clear_devices(now);
	add_devices(vs, l, now);
	free(now->uuid);
	now->uuid = uuid_of(conf, l, vs->vmid);
	free(now->smbios_uuid);
	now->smbios_uuid = vm_smbios_uuid(conf);
	now->no_vga = false;
	/* As with hostpci<N>: a `vga` in the config stays what it is. */
	for (size_t i = 0; i < now->ndevices && !conf->vga; i++)
		now->no_vga |= now->devices[i].x_vga;
	for (size_t i = 0; i < l->n; i++)
		now->modes[l->w[i].index] = attach_mode(l->attach[i]);
}
