/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "rewrite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "cmdline.h"
#include "cpu_flags.h"
#include "machine.h"
#include "parse.h"
#include "qemu_device.h"
#include "quote.h"
#include "xalloc.h"

static void copy_words(const struct strlist *from, struct strlist *to)
{
	for (size_t i = 0; i < from->n; i++)
		strlist_add(to, from->s[i]);
}

/* Take n words out at `at` and put those of `in` there, which is empty afterwards. */
static void splice(struct strlist *l, size_t at, size_t n, struct strlist *in)
{
	struct strlist out = { 0 };

	for (size_t i = 0; i < at; i++)
		strlist_take(&out, l->s[i]);
	for (size_t i = 0; i < in->n; i++)
		strlist_take(&out, in->s[i]);
	for (size_t i = at; i < at + n; i++)
		free(l->s[i]);
	for (size_t i = at + n; i < l->n; i++)
		strlist_take(&out, l->s[i]);
	free(l->s);
	free(in->s);
	*in = (struct strlist){ 0 };
	*l = out;
}

/* Give an option another value, which is taken over. */
static void set_value(struct strlist *l, const struct option *o, char *value)
{
	free(l->s[o->next - 1]);
	l->s[o->next - 1] = value;
}

static bool stands_on(const struct vfio_device *d, const struct vgpu *v)
{
	if (v->framework == FRAMEWORK_MDEV)
		return !strcasecmp(d->uuid, v->uuid);
	return d->on_bdf && bdf_eq(&d->bdf, &v->parent);
}

/* 1: the line has the vGPU; 0: it does not, and the id is free; or -EINVAL. */
static int find_device(const struct strlist *words, const struct vgpu *v, struct err *e)
{
	struct option o = { .next = 1 };

	while (cmdline_next_of(words, "device", &o)) {
		AUTO_VFIO_DEVICE struct vfio_device d = { 0 };
		AUTO_FREE char *id = o.value ? property(o.value, "id") : NULL;

		if (o.value && vfio_device_read(o.value, &d) && stands_on(&d, v))
			return 1;
		if (hostpci_index(id) != (int)v->index)
			continue;
		fail(e, -EINVAL, "QEMU's command line has another device as hostpci%u: %s", v->index,
		     QUOTED(o.value));
		err_hint(e, "`qm config` shows whether hostpci%u or args bring it; take it out there, or take the "
			 "vGPU away with `pve-vgpu unset`", v->index);
		return -EINVAL;
	}
	return 0;
}

static int device_slot(const struct strlist *words, const struct run_device *d, enum pci_slot *slot,
		       struct err *e)
{
	*slot = d->pcie ? PCI_SLOT_EXPRESS : PCI_SLOT_CONVENTIONAL;
	if (!d->pcie || machine_is_q35(words))
		return 0;
	fail(e, -EINVAL, "hostpci%u is to be a PCIe device, and QEMU's command line has no q35 machine",
	     d->index);
	err_hint(e, "set the VM's machine to q35 (qm set --machine q35), or pcie = no in /etc/pve/pve-vgpu.conf");
	return -EINVAL;
}

/*
 * Qemu-server has the second bridge in every i440fx since version 2.3 of that
 * machine; older ones have it where a device of the config needs it.
 */
static void add_bridge(const struct strlist *words, const struct run_device *d, struct strlist *in)
{
	if (d->pcie || pci_slot_bus(d->index) != 2 || machine_is_q35(words) ||
	    machine_has_device(words, "pci.2"))
		return;
	strlist_add(in, "-device");
	strlist_add(in, "pci-bridge,id=pci.2,chassis_nr=2,bus=pci.0,addr=0x1f");
}

static int add_device(struct strlist *words, const struct run_device *d, const struct vgpu *v,
		      struct err *e)
{
	AUTO_STRLIST struct strlist in = { 0 };
	struct qemu_device device = {
		.index = d->index, .vf = v->parent, .display = d->display, .ramfb = d->ramfb,
		.x_vga = d->x_vga && !machine_has_ovmf(words),
	};
	int rc = find_device(words, v, e);

	if (rc)
		return rc < 0 ? rc : 0;
	rc = device_slot(words, d, &device.slot, e);
	if (rc < 0)
		return rc;
	memcpy(device.uuid, v->uuid, sizeof(device.uuid));
	add_bridge(words, d, &in);
	qemu_device_words(&device, &in);
	splice(words, machine_place(words, d->index), 0, &in);
	return 0;
}

static int add_devices(struct strlist *words, const struct runstate *s, struct err *e)
{
	for (unsigned int index = 0; index < PCI_SLOT_MAX; index++) {
		const struct run_device *d = runstate_device(s, index);
		int rc = d && d->add ? add_device(words, d, runstate_index(s, index), e) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

static void set_cpu(struct strlist *words)
{
	struct option o = { .next = 1 };

	if (cmdline_next_of(words, "cpu", &o) && o.value)
		set_value(words, &o, cpu_for_x_vga(o.value));
}

/* With neither a display nor OVMF qemu-server turns SMM off: QemuServer.pm, should_disable_smm(). */
static void set_smm(struct strlist *words)
{
	struct option o = { .next = 1 };

	if (machine_has_ovmf(words) || !cmdline_next_of(words, "machine", &o) || !o.value ||
	    has_property(o.value, "smm"))
		return;

	const char *type = !strncmp(o.value, "type=", 5) ? o.value : strstr(o.value, ",type=");

	if (type)
		type += *type == ',';
	else
		type = o.value;
	set_value(words, &o, xasprintf("%.*ssmm=off,%s", (int)(type - o.value), o.value, type));
}

/* The VNC server that qemu-server gives a VM with a display. */
static bool is_console(const struct option *o, unsigned int vmid)
{
	AUTO_FREE char *socket = xasprintf("unix:/var/run/qemu-server/%u.vnc,", vmid);

	return o->value && !strncmp(o->value, socket, strlen(socket));
}

static void drop_display(struct strlist *words)
{
	struct option o = { .next = 1 };

	while (cmdline_next_of(words, "device", &o)) {
		AUTO_FREE char *id = o.value ? property(o.value, "id") : NULL;
		struct strlist nothing = { 0 };

		if (!id || strcmp(id, "vga") != 0)
			continue;
		splice(words, o.at, o.next - o.at, &nothing);
		return;
	}
}

/* As with `vga: none` in the config. */
static void take_display(struct strlist *words, unsigned int vmid)
{
	struct option o = { .next = 1 };
	bool any = false;

	/* Of two the second would be left, and go the next time. */
	while (cmdline_next_of(words, "vnc", &o)) {
		AUTO_STRLIST struct strlist in = { 0 };

		if (!is_console(&o, vmid))
			continue;
		strlist_add(&in, "-vga");
		strlist_add(&in, "none");
		strlist_add(&in, "-nographic");
		splice(words, o.at, o.next - o.at, &in);
		any = true;
	}
	if (!any)
		return;
	drop_display(words);
	set_smm(words);
}

static bool has_x_vga(const struct runstate *s)
{
	for (size_t i = 0; i < s->ndevices; i++)
		if (s->devices[i].add && s->devices[i].x_vga)
			return true;
	return false;
}

/* Whether a comes before b by qemu-server's order, which is that of the text; what has no such id comes last. */
static bool is_before(const struct vfio_device *a, const struct vfio_device *b)
{
	if (a->index < 0 || b->index < 0)
		return a->index >= 0 && b->index < 0;
	return strcmp(a->id, b->id) < 0;
}

/* The first of NVIDIA's mdevs. False: there is none. */
static bool first_nvidia(const struct strlist *words, const struct strlist *nvidia,
			 struct vfio_device *first)
{
	struct option o = { .next = 1 };
	bool found = false;

	while (cmdline_next_of(words, "device", &o)) {
		struct vfio_device d;

		if (!o.value || !vfio_device_read(o.value, &d))
			continue;
		if (!strlist_has(nvidia, d.uuid) || (found && !is_before(&d, first))) {
			vfio_device_free(&d);
			continue;
		}
		if (found)
			vfio_device_free(first);
		*first = d;
		found = true;
	}
	return found;
}

static char *uuid_for(const struct strlist *words, const struct rewrite *how)
{
	AUTO_VFIO_DEVICE struct vfio_device first = { 0 };
	char uuid[UUID_TEXT_LEN], *smbios;

	if (how->state && how->state->uuid)
		return xstrdup(how->state->uuid);
	if (!how->nvidia || !first_nvidia(words, how->nvidia, &first))
		return NULL;
	smbios = cmdline_smbios_uuid(words);
	if (smbios)
		return smbios;
	if (first.index < 0)
		return xstrdup(first.uuid);
	vgpu_pve_uuid(how->vmid, (unsigned int)first.index, uuid);
	return xstrdup(uuid);
}

/* The end, but for a last option that lacks its value and would take ours for it. */
static size_t last_place(const struct strlist *words)
{
	struct option o = { .next = 1 };
	size_t at = words->n;

	while (cmdline_next(words, &o))
		at = cmdline_lacks_value(&o) ? o.at : words->n;
	return at;
}

static void add_uuid(struct strlist *words, const struct rewrite *how)
{
	AUTO_STRLIST struct strlist in = { 0 };
	struct option o = { .next = 1 };
	char *uuid;

	if (cmdline_next_of(words, "uuid", &o))
		return;
	uuid = uuid_for(words, how);
	if (!uuid)
		return;
	strlist_add(&in, "-uuid");
	strlist_take(&in, uuid);
	splice(words, last_place(words), 0, &in);
}

int rewrite(const struct strlist *words, const struct rewrite *how, struct strlist *out,
	    struct err *e)
{
	AUTO_STRLIST struct strlist line = { 0 };
	int rc;

	copy_words(words, &line);
	rc = how->state ? add_devices(&line, how->state, e) : 0;
	if (rc < 0)
		return rc;
	if (how->state && has_x_vga(how->state)) {
		set_cpu(&line);
		if (how->state->no_vga)
			take_display(&line, how->vmid);
	}
	add_uuid(&line, how);
	*out = line;
	line = (struct strlist){ 0 };
	return 0;
}
