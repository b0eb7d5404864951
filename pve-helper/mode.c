/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mode.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "quote.h"
#include "wrapper_there.h"
#include "xalloc.h"

char *mode_set_command(const struct vm_settings *vs, const struct vm_intent *in)
{
	AUTO_FREE char *types = strlist_join(&in->choices, ",");
	AUTO_FREE char *index = in->index ? xasprintf(" --index %u", in->index) : xstrdup("");
	AUTO_FREE char *word = shell_word(types);

	return xasprintf("pve-vgpu set %u %s%s", vs->vmid, word, index);
}

/* What the config has for the vGPU, for "the VM's config has …". */
static char *what_config_has(const struct vmconf *conf, unsigned int index, enum attach how)
{
	switch (how) {
	case ATTACH_ADDRESS:
	case ATTACH_MAPPING:
		return xasprintf("hostpci%u: %s", index, QUOTED(conf->hostpci[index].raw));
	case ATTACH_ARGS:
		return xstrdup("its UUID in args");
	default:
		return xasprintf("neither hostpci%u nor its UUID in args", index);
	}
}

static int refuse_unlike(const struct vm_settings *vs, const struct vmconf *conf,
			 const struct vm_intent *in, enum attach how, struct err *e)
{
	AUTO_FREE char *has = what_config_has(conf, in->index, how);
	AUTO_FREE char *command = mode_set_command(vs, in);

	fail(e, -EINVAL, "mode = %s, and the VM's config has %s%s", vm_mode_name(vs->mode), has,
	     vs->mode == MODE_WRAPPER ? ": it would be attached twice" : "");
	err_hint(e, "%s --mode %s writes the config for that mode (a rollback brings an older one back); "
		 "`pve-vgpu unset %u` takes all of it away", command, vm_mode_name(vs->mode), vs->vmid);
	return -EINVAL;
}

static int refuse_twice(const struct vm_settings *vs, const struct vm_intent *in, struct err *e)
{
	AUTO_FREE char *command = mode_set_command(vs, in);

	fail(e, -EINVAL, "the VM's config attaches it twice: hostpci%u, and its UUID in args", in->index);
	err_hint(e, "%s leaves one of them", command);
	return -EINVAL;
}

static int refuse_conflict(const struct vm_settings *vs, const struct vmconf *conf,
			   unsigned int index, struct err *e)
{
	fail(e, -EINVAL, "the VM's config has hostpci%u: %s, which is no vGPU at an address",
	     index, QUOTED(conf->hostpci[index].raw));
	err_hint(e, "qm set %u --delete hostpci%u, or take hostpci%u out of [vm %u] in "
		 "/etc/pve/pve-vgpu.conf", vs->vmid, index, index, vs->vmid);
	return -EINVAL;
}

static int refuse_no_wrapper(const struct vm_settings *vs, const struct vm_intent *in,
			     struct err *e)
{
	AUTO_FREE char *command = mode_set_command(vs, in);

	fail(e, -ENODEV, "mode = wrapper, and on this node the wrapper does not stand at /" WRAPPER_KVM);
	err_hint(e, "apt install " WRAPPER_PACKAGE " on this node; or %s --mode auto, which takes a mode that works here",
		 command);
	return -ENODEV;
}

static bool is_q35(const struct vmconf *conf)
{
	AUTO_FREE char *type = conf->machine ? vmconf_property(conf->machine, "type", "type") : NULL;

	return type && strstr(type, "q35");
}

/* As qemu-server does with pcie=1 of a hostpci line. */
static int refuse_pcie(const struct vm_settings *vs, struct err *e)
{
	fail(e, -EINVAL, "pcie = yes, and the VM's machine is no q35, which has the PCIe ports");
	err_hint(e, "qm set %u --machine q35, or take pcie out of [vm %u] in /etc/pve/pve-vgpu.conf",
		 vs->vmid, vs->vmid);
	return -EINVAL;
}

int mode_attach(const struct root *r, const struct vm_settings *vs, const struct vmconf *conf,
		const struct vm_intent *in, enum attach *how, struct err *e)
{
	enum attach has = attach_kind(conf, vs->vmid, in->index);

	*how = has;
	if (has == ATTACH_CONFLICT)
		return refuse_conflict(vs, conf, in->index, e);
	if (attach_mode(has) == MODE_NATIVE && attach_in_args(conf, vs->vmid, in->index))
		return refuse_twice(vs, in, e);
	if (vs->mode == MODE_UNSET)
		return 0;
	if (vs->mode != MODE_WRAPPER)
		return attach_mode(has) == vs->mode ? 0 : refuse_unlike(vs, conf, in, has, e);
	if (has != ATTACH_NONE)
		return refuse_unlike(vs, conf, in, has, e);
	if (!wrapper_there(r))
		return refuse_no_wrapper(vs, in, e);
	if (vs->pcie && !is_q35(conf))
		return refuse_pcie(vs, e);
	*how = ATTACH_WRAPPER;
	return 0;
}

/* Whether the GPU offers one of the types, or may: of some nothing is known yet. */
static bool may_offer(const struct gpu *g, const struct want *w)
{
	for (size_t i = 0; i < w->nchoices; i++)
		if (gpu_offer(g, w->choices[i]))
			return true;
	return !g->noffers;
}

int mode_keep_to_mdev(const struct vm_settings *vs, const struct vm_intent *in,
		      const struct inventory *inv, struct want *w, struct err *e)
{
	AUTO_FREE char *command = mode_set_command(vs, in);

	w->mdev_only = true;
	for (size_t i = 0; i < inv->ngpus; i++)
		if (inv->gpus[i].framework == FRAMEWORK_MDEV && may_offer(&inv->gpus[i], w))
			return 0;
	fail(e, -ENODEV, "args attach it by its mdev, and this node has %s on NVIDIA's vendor VFIO, where "
	     "there are no mdevs", vgpu_type_name(w->choices[0]));
	err_hint(e, "%s --mode native, or --mode wrapper with " WRAPPER_PACKAGE
		 " on this node", command);
	return -ENODEV;
}

static void note(struct strlist *notes, const struct vm_intent *in, const char *key, const char *why)
{
	strlist_take(notes, xasprintf("hostpci%u: '%s' has no effect: %s", in->index, key, why));
}

void mode_note_lost(const struct vm_settings *vs, const struct vmconf *conf,
		    const struct vm_intent *in, enum attach how, struct strlist *notes)
{
	bool native = attach_mode(how) == MODE_NATIVE, x_vga = vm_settings_x_vga(vs, in->index);

	if (native && vs->display != DISPLAY_UNSET)
		note(notes, in, "display", "qemu-server attaches the vGPU and does not give it (args and wrapper do)");
	if (native && vs->ramfb)
		note(notes, in, "ramfb", "qemu-server attaches the vGPU and does not give it (args and wrapper do)");
	if (native && x_vga && !conf->hostpci[in->index].x_vga)
		note(notes, in, "x-vga", "the VM's own hostpci line does not say x-vga=1");
	if (how == ATTACH_ARGS && x_vga)
		note(notes, in, "x-vga", "args cannot give it (native and wrapper do)");
}
