/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mode_choice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "pkg_version.h"
#include "wrapper_there.h"
#include "xalloc.h"

#define SINCE_MAPPING	"8.0.4"
#define SINCE_VENDOR	"8.2.5"

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

/* What qemu-server cannot do at all. */
static char *never_native(const struct mode_facts *f)
{
	if (f->vendor && !since(f, SINCE_VENDOR))
		return xasprintf("qemu-server %s does not know NVIDIA's vendor VFIO (" SINCE_VENDOR " does)",
				 version(f));
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
		return xasprintf(f->vendor ? "with vendor VFIO qemu-server adopts what the hook has chosen at one address alone" :
				 "before " SINCE_MAPPING " a hostpci line names one address, and qemu-server is %s", version(f));
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

static char *price_of_native(const struct mode_facts *f, bool mapping)
{
	if (mapping)
		return f->vendor && f->params ? xstrdup("the wrapper writes the params") : NULL;
	return xasprintf("it stays at that address%s; `pve-vgpu set` again moves it",
			 f->placement ? ", whatever 'placement' says" : "");
}

static char *why_native(const struct mode_facts *f, bool mapping)
{
	if (mapping)
		return xasprintf("qemu-server %s attaches it, %s", version(f),
				 f->vendor ? "on any VF of the mapping that is free" :
				 "on any parent of the mapping with room");
	return xasprintf("qemu-server %s attaches it at the address in the VM's config", version(f));
}

static void take(const struct mode_facts *f, enum vm_mode mode, const char *not_native,
		 struct mode_choice *out)
{
	static const char hidden[] = "PVE does not know of the device: a start has 30 s, and no migration check sees it";

	*out = (struct mode_choice){ .mode = mode };
	if (mode == MODE_NATIVE) {
		out->mapping = can_map(f);
		out->why = why_native(f, out->mapping);
		out->price = price_of_native(f, out->mapping);
		return;
	}
	out->why = not_native ? xasprintf("not native: %s", not_native) : xstrdup("as asked");
	out->price = mode == MODE_ARGS ? xstrdup(hidden) :
		xasprintf("%s; QEMU is started through the wrapper", hidden);
}

static int choose_asked(const struct mode_facts *f, struct mode_choice *out, struct err *e)
{
	AUTO_FREE char *why = f->asked == MODE_NATIVE ? never_native(f) :
		f->asked == MODE_ARGS ? against_args(f) : against_wrapper(f);

	if (why) {
		fail(e, -EINVAL, "mode %s cannot do it on this node: %s", vm_mode_name(f->asked), why);
		err_hint(e, "--mode auto takes the first that can");
		return -EINVAL;
	}
	take(f, f->asked, NULL, out);
	return 0;
}

int mode_choose(const struct mode_facts *f, struct mode_choice *out, struct err *e)
{
	if (f->asked != MODE_UNSET)
		return choose_asked(f, out, e);

	AUTO_FREE char *native = against_native(f);
	AUTO_FREE char *args = native ? against_args(f) : NULL;
	AUTO_FREE char *wrapper = args ? against_wrapper(f) : NULL;

	if (!native || !args || !wrapper) {
		take(f, !native ? MODE_NATIVE : !args ? MODE_ARGS : MODE_WRAPPER, native, out);
		return 0;
	}

	AUTO_FREE char *never = never_native(f);

	/* Better at one address than not at all. */
	if (!never && !f->several) {
		take(f, MODE_NATIVE, NULL, out);
		return 0;
	}
	fail(e, -EINVAL, "no mode can do it on this node: native: %s; args: %s; wrapper: %s", native, args,
	     wrapper);
	err_hint(e, "leave out what stands in the way, or make that mode possible");
	return -EINVAL;
}
