/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "framework.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
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

/* Whether a list "a=1,b=2", however it is spaced, has this word. */
static bool has_word(const char *list, const char *word, size_t len)
{
	static const char separators[] = ", \t\n";

	for (const char *s = list; *(s += strspn(s, separators)); s += strcspn(s, separators))
		if (strcspn(s, separators) == len && !memcmp(s, word, len))
			return true;
	return false;
}

/* What the driver keeps may be spaced or ordered in its own way; each word must be there. */
static bool has_params(const char *kept, const char *params)
{
	static const char separators[] = ", ";

	for (const char *s = params; *(s += strspn(s, separators)); s += strcspn(s, separators))
		if (!has_word(kept, s, strcspn(s, separators)))
			return false;
	return true;
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
	if (rc < 0) {
		err_hint(e, "check the parameters' names and values against NVIDIA's vGPU user guide");
		return rc;
	}
	if (!has_params(kept, params))
		return fail(e, -EIO, "write '%s' to '/%s': the driver kept %s", params, path,
			    QUOTED(kept));
	return 0;
}
