/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mode_choice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "pkg_version.h"
#include "strlist.h"
#include "wrapper_there.h"
#include "xalloc.h"

/* What qemu-server does, by the version that brought it. */
#define SINCE_UUID	MODE_SINCE_UUID
#define SINCE_SMBIOS	"7.4-1"		/* and that is the SMBIOS UUID, where the config has one */
#define SINCE_MAPPING	"8.0.4"		/* hostpci<N>: mapping=<id> */
#define SINCE_VENDOR	"8.2.5"		/* NVIDIA's vendor VFIO */
#define SINCE_MIGRATION	"8.3.9"		/* live migration through a mapping that is marked for it */
#define SINCE_SHOWCMD	"9.0.1"		/* `qm showcmd` makes no vendor vGPU any more */
#define SINCE_DOMAIN	"9.0.2"		/* NVIDIA's VFs in PCI domains other than 0000 */

void mode_choice_free(struct mode_choice *c)
{
	free(take_ptr(c->why));
	free(take_ptr(c->price));
}

static bool since(const struct mode_facts *f, const char *version)
{
	return f->qemu_server && version_at_least(f->qemu_server, version);
}

static const char *version(const struct mode_facts *f)
{
	return f->qemu_server ? f->qemu_server : "of unknown version";
}

/*
 * Whether a mapping can stand in the config: on mdev qemu-server adopts what the
 * hook has made on any of its parents, on vendor VFIO it picks the VF itself.
 */
static bool can_map(const struct mode_facts *f)
{
	if (!since(f, SINCE_MAPPING))
		return false;
	return !f->vendor || (!f->placement && !f->gpu && (!f->params || f->wrapper));
}

/* Without -uuid NVIDIA's manager makes no vGPU for the VM. */
static bool lacks_uuid(const struct mode_facts *f)
{
	return f->nvidia && f->mdev && !since(f, SINCE_UUID) && !f->own_uuid;
}

/* What qemu-server cannot do at all, or NULL; the caller frees it. */
static char *never_native(const struct mode_facts *f)
{
	if (f->vendor && !since(f, SINCE_VENDOR))
		return xasprintf("qemu-server %s does not know NVIDIA's vendor VFIO (" SINCE_VENDOR " does)",
				 version(f));
	if (f->vendor && f->other_domain && !since(f, SINCE_DOMAIN))
		return xasprintf("qemu-server %s does not know NVIDIA's VFs in PCI domains other than 0000 ("
				 SINCE_DOMAIN " does)", version(f));
	if (lacks_uuid(f) && !(f->wrapper && f->inject_uuid))
		return xasprintf("qemu-server %s gives QEMU no -uuid, without which NVIDIA's driver serves no vGPU ("
				 SINCE_UUID " does, and so does the wrapper of " WRAPPER_PACKAGE ")", version(f));
	if (f->display || f->ramfb)
		return xasprintf("qemu-server does not give a device '%s'", f->display ? "display" : "ramfb");
	return NULL;
}

/* What speaks against each mode, or NULL; the caller frees it. */
static char *against_native(const struct mode_facts *f)
{
	char *why = never_native(f);

	if (why)
		return why;
	if (f->several)
		return xstrdup("a hostpci line takes one type, and there are several choices");
	if (f->placement && !can_map(f))
		return xasprintf(f->vendor ? "with vendor VFIO qemu-server %s adopts what the hook has chosen at one address alone" :
				 "a hostpci line of qemu-server %s names one address (mappings come with " SINCE_MAPPING ")",
				 version(f));
	return NULL;
}

static char *against_args(const struct mode_facts *f)
{
	if (!f->mdev)
		return xstrdup("args name an mdev, and NVIDIA's vendor VFIO has none");
	if (f->vendor)
		return xstrdup("args name an mdev, and some of the types are on vendor VFIO here");
	if (f->x_vga)
		return xstrdup("args cannot give the CPU flags of x-vga");
	return NULL;
}

static char *against_wrapper(const struct mode_facts *f)
{
	return f->wrapper ? NULL : xstrdup("the wrapper is not on this node (apt install " WRAPPER_PACKAGE ")");
}

/* What is lost with qemu-server's own way, or NULL; the caller frees it. */
static char *price_of_native(const struct mode_facts *f, bool mapping)
{
	AUTO_STRLIST struct strlist l = { 0 };

	if (!mapping)
		strlist_take(&l, xasprintf("it stays at that address%s", f->placement ? ", whatever 'placement' says" : ""));
	if (mapping && f->vendor && f->params)
		strlist_add(&l, "its params are written by the wrapper");
	if (f->several)
		strlist_add(&l, "the first type that this node knows is the only one");
	if (lacks_uuid(f))
		strlist_add(&l, "QEMU's -uuid comes from the wrapper");
	else if (f->mdev && f->nvidia && f->smbios_uuid && !f->own_uuid && !since(f, SINCE_SMBIOS))
		strlist_take(&l, xasprintf("qemu-server %s gives the guest the vGPU's UUID in place of its SMBIOS one",
					   version(f)));
	if (f->vendor && !since(f, SINCE_SHOWCMD))
		strlist_take(&l, xasprintf("`qm showcmd` of qemu-server %s makes the vGPU, without a start", version(f)));
	return l.n ? strlist_join(&l, "; ") : NULL;
}

static char *why_native(const struct mode_facts *f, bool mapping)
{
	if (mapping)
		return xasprintf("qemu-server %s attaches it, %s", version(f),
				 f->vendor ? "on any VF of the mapping that is free" :
				 f->gpu || f->placement || f->params ? "on the parent of the mapping that the hookscript picks" :
				 "on any parent of the mapping with room");
	return xasprintf("qemu-server %s attaches it at the address in the VM's config", version(f));
}

/* What is lost where PVE does not see the device; the caller frees it. */
static char *price_of_hidden(const struct mode_facts *f, enum vm_mode mode)
{
	return xasprintf("PVE does not know of the device: a start has 30 s, no migration check sees it%s%s",
			 since(f, SINCE_MIGRATION) ? ", and it does not migrate live" : "",
			 mode == MODE_WRAPPER ? "; QEMU is started through the wrapper" : "");
}

static void take(const struct mode_facts *f, enum vm_mode mode, char *why, struct mode_choice *out)
{
	*out = (struct mode_choice){ .mode = mode };
	if (mode == MODE_NATIVE) {
		out->mapping = can_map(f);
		out->why = why ? why : why_native(f, out->mapping);
		out->price = price_of_native(f, out->mapping);
		return;
	}
	out->why = why;
	out->price = price_of_hidden(f, mode);
}

static int choose_asked(const struct mode_facts *f, struct mode_choice *out, struct err *e)
{
	const char *name = vm_mode_name(f->asked);
	AUTO_FREE char *against = f->asked == MODE_NATIVE ? never_native(f) :
		f->asked == MODE_ARGS ? against_args(f) : against_wrapper(f);

	if (against) {
		fail(e, -EINVAL, "mode %s cannot do it on this node: %s", name, against);
		err_hint(e, "--mode auto takes the first that can; an option that is in the way goes by an empty value, "
			 "as in --display ''");
		return -EINVAL;
	}
	take(f, f->asked, f->kept ? xasprintf("the settings have mode = %s (--mode auto chooses anew)", name) :
	     xstrdup("as asked"), out);
	return 0;
}

int mode_choose(const struct mode_facts *f, struct mode_choice *out, struct err *e)
{
	if (f->asked != MODE_UNSET)
		return choose_asked(f, out, e);

	AUTO_FREE char *native = against_native(f);
	AUTO_FREE char *args = native ? against_args(f) : NULL;
	AUTO_FREE char *wrapper = args ? against_wrapper(f) : NULL;
	AUTO_FREE char *never = never_native(f);

	/* Where nothing else can, it is better at one address, or as the first type alone, than not at all. */
	if (!native || (wrapper && !never)) {
		take(f, MODE_NATIVE, NULL, out);
		return 0;
	}
	if (!args) {
		take(f, MODE_ARGS, xasprintf("not native: %s", native), out);
		return 0;
	}
	if (!wrapper) {
		take(f, MODE_WRAPPER, xasprintf("not native: %s; not args: %s", native, args), out);
		return 0;
	}
	fail(e, -EINVAL, "no mode can do it on this node: native: %s; args: %s; wrapper: %s", native, args,
	     wrapper);
	err_hint(e, "leave out what is in the way (an empty value takes an option away), or make that mode possible");
	return -EINVAL;
}
