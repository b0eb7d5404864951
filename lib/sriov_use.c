/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sriov_use.h"

#include "cleanup.h"
#include "framework.h"
#include "parse.h"
#include "reservation.h"
#include "vmproc.h"
#include "xalloc.h"

static char *vgpu_line(const struct vgpu *v)
{
	const char *name = v->name ? v->name : v->type;
	AUTO_FREE char *whose = v->vmid ? xasprintf(" of vm %u", v->vmid) : xstrdup("");

	return xasprintf("%s on %s%s%s", name, v->parent_name, whose, v->exists ? "" : ", claimed by a start");
}

static pid_t opener(const struct root *r, const struct vfio_users *users, const struct bdf *fn)
{
	/* A function that is handed over whole is open by the same names as a vendor VF. */
	const struct vgpu as = { .framework = FRAMEWORK_NVIDIA_VFIO, .parent = *fn };
	AUTO_STRLIST struct strlist names = { 0 };

	vgpu_vfio_names(r, &as, &names);
	return vfio_user_of(users, &names);
}

/* An mdev whose removal waits for QEMU shows as a directory of its parent alone. */
static void add_leaving(const struct root *r, const struct inventory *inv, const struct bdf *fn,
			struct strlist *out)
{
	AUTO_FREE char *path = xasprintf("sys/bus/pci/devices/%s", BDF_STR(fn));
	AUTO_STRLIST struct strlist names = { 0 };

	root_list(r, path, &names, NULL);
	for (size_t i = 0; i < names.n; i++)
		if (is_uuid(names.s[i]) && !inventory_by_uuid(inv, names.s[i]))
			strlist_take(out, xasprintf("%s on %s, which is being removed while a process has it open",
						    names.s[i], BDF_STR(fn)));
}

static void add_reserved(const struct root *r, const struct reservation_list *l,
			 const struct inventory *inv, const struct bdf *fn, struct strlist *out)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->r[i].vmid && bdf_eq(&l->r[i].dev, fn) && !inventory_on(inv, fn) &&
		    reservation_holds(r, &l->r[i]))
			strlist_take(out, xasprintf("%s, which PVE has reserved for vm %u", BDF_STR(fn),
						    l->r[i].vmid));
}

int sriov_users(const struct root *r, const struct inventory *inv, const struct sriov *s,
		struct strlist *out, struct err *e)
{
	AUTO_VFIO_USERS struct vfio_users users = { 0 };
	AUTO_RESERVATIONS struct reservation_list reserved = { 0 };
	int rc = reservation_read(r, &reserved, e);

	if (rc < 0)
		return rc;
	vfio_users_read(r, &users);
	if (users.error)
		return fail_errno(e, -users.error, "see in /proc who has VFs of %s open", BDF_STR(&s->addr));
	for (size_t i = 0; i < inv->nvgpus; i++)
		if (inv->vgpus[i].on_gpu && bdf_eq(&inv->vgpus[i].gpu, &s->addr))
			strlist_take(out, vgpu_line(&inv->vgpus[i]));
	for (size_t i = 0; i <= s->vfs.n; i++) {
		const struct bdf *fn = i < s->vfs.n ? &s->vfs.b[i] : &s->addr;
		pid_t pid = opener(r, &users, fn);

		if (pid && !inventory_on(inv, fn))
			strlist_take(out, xasprintf("%s, which process %d has open", BDF_STR(fn), (int)pid));
		add_reserved(r, &reserved, inv, fn, out);
		add_leaving(r, inv, fn, out);
	}
	return 0;
}
