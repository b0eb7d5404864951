/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "framework.h"

#include <errno.h>

#include "cleanup.h"
#include "params.h"
#include "quote.h"
#include "xalloc.h"

const struct framework_ops *framework_ops(enum framework id)
{
	static const struct framework_ops *const all[] = {
		[FRAMEWORK_MDEV] = &framework_mdev,
		[FRAMEWORK_NVIDIA_VFIO] = &framework_nvidia_vfio,
	};

	return all[id];
}

char *vgpu_sysfs_path(const struct vgpu *v)
{
	if (v->framework == FRAMEWORK_MDEV)
		return xasprintf("sys/bus/mdev/devices/%s", v->uuid);
	return xasprintf("sys/bus/pci/devices/%s", BDF_STR(&v->parent));
}

int vgpu_vfio_names(const struct root *r, const struct vgpu *v, struct strlist *names)
{
	AUTO_FREE char *dev = vgpu_sysfs_path(v);
	AUTO_FREE char *group_path = xasprintf("%s/iommu_group", dev);
	AUTO_FREE char *cdev_path = xasprintf("%s/vfio-dev", dev);
	AUTO_FREE char *group = NULL;
	AUTO_STRLIST struct strlist cdevs = { 0 };

	if (root_readlink(r, group_path, &group, NULL) == 0)
		strlist_add(names, path_base(group));
	/* vfio-dev/ is there since Linux 6.1; before, there is the group alone. */
	if (root_list(r, cdev_path, &cdevs, NULL) == 0)
		for (size_t i = 0; i < cdevs.n; i++)
			strlist_take(names, xasprintf("devices/%s", cdevs.s[i]));
	return 0;
}

int vgpu_write_params(const struct root *r, const struct vgpu *v, const char *params,
		      struct err *e)
{
	AUTO_FREE char *dev = vgpu_sysfs_path(v);
	AUTO_FREE char *path = xasprintf("%s/nvidia/vgpu_params", dev);
	AUTO_FREE char *kept = NULL;
	int rc = root_write_attr(r, path, params, 0, e);

	if (rc == 0)
		rc = root_read_attr(r, path, &kept, e);
	if (rc == -ENOENT)
		err_hint(e, "this driver takes no parameters: leave them out");
	if (rc < 0) {
		err_hint(e, "check the parameters' names and values against NVIDIA's vGPU user guide");
		return rc;
	}
	if (params_are_in(params, kept))
		return 0;
	fail(e, -EIO, "write '%s' to '/%s': the driver kept %s", params, path, QUOTED(kept));
	err_hint(e, "check the parameters' names and values against NVIDIA's vGPU user guide");
	return -EIO;
}
