// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vGPUs on the kernel's mdev bus.
 */
#include "sim.h"

#include <linux/module.h>
#include <linux/slab.h>

static struct func_type *to_func_type(struct mdev_type *mtype)
{
	return container_of(mtype, struct func_type, mdev);
}

/* --- <uuid>/nvidia/vgpu_params ---------------------------------------------- */

static ssize_t vgpu_params_show(struct device *dev, struct device_attribute *a,
				char *buf)
{
	return vgpu_show_params(dev_get_drvdata(dev), buf);
}

static ssize_t vgpu_params_store(struct device *dev, struct device_attribute *a,
				 const char *buf, size_t count)
{
	int ret = vgpu_set_params(dev_get_drvdata(dev), buf, count);

	return ret ? ret : count;
}
static DEVICE_ATTR_RW(vgpu_params);

static struct attribute *attrs[] = { &dev_attr_vgpu_params.attr, NULL };
static const struct attribute_group group = { .name = "nvidia", .attrs = attrs };
static const struct attribute_group *groups[] = { &group, NULL };

/* --- the mdev driver ---------------------------------------------------------- */

static int add_vgpu(struct vgpu *v, const struct vgpu_type *t)
{
	int ret;

	mutex_lock(&sim_lock);
	ret = take_refusal();
	if (!ret)
		ret = room_take(v->func, t, &v->instance);
	mutex_unlock(&sim_lock);
	if (ret)
		return ret;
	vgpu_fill_config(v);
	ret = vfio_register_emulated_iommu_dev(&v->vdev);
	if (!ret)
		return 0;
	mutex_lock(&sim_lock);
	room_give(v->func, &v->instance);
	mutex_unlock(&sim_lock);
	return ret;
}

/*
 * What this returns is what the writer of `create` gets. The kernel logs it as
 * a warning too, but for ENODEV and ENXIO.
 */
static int vgpu_probe(struct mdev_device *mdev)
{
	struct func_type *ft = to_func_type(mdev->type);
	struct vgpu *v;
	int ret;

	ops_write(OP_CREATE);
	stall_wait(ft->func);
	v = vgpu_alloc(ft->func, &mdev->dev, &vgpu_mdev_ops);
	if (IS_ERR(v))
		return PTR_ERR(v);
	snprintf(v->uuid, sizeof(v->uuid), "%pUl", &mdev->uuid);
	dev_set_drvdata(&mdev->dev, v);
	ret = add_vgpu(v, ft->type);
	if (ret)
		vfio_put_device(&v->vdev);
	return ret;
}

static void count_removal(struct vgpu *v)
{
	mutex_lock(&sim_lock);
	if (!v->cleaning && !v->func->leaving)
		ops_write(OP_REMOVE);
	mutex_unlock(&sim_lock);
}

/* Waits until the vGPU is closed, and so does the writer of `remove`. */
static void vgpu_remove(struct mdev_device *mdev)
{
	struct vgpu *v = dev_get_drvdata(&mdev->dev);

	count_removal(v);
	stall_wait(v->func);
	vfio_unregister_group_dev(&v->vdev);
	mutex_lock(&sim_lock);
	selfclean_cancel(v);
	room_give(v->func, &v->instance);
	mutex_unlock(&sim_lock);
	vfio_put_device(&v->vdev);
}

static unsigned int get_available(struct mdev_type *mtype)
{
	struct func_type *ft = to_func_type(mtype);
	unsigned int n;

	ops_read(OP_AVAILABLE_INSTANCES);
	mutex_lock(&sim_lock);
	n = room_available(ft->func, ft->type);
	mutex_unlock(&sim_lock);
	return n;
}

static ssize_t show_description(struct mdev_type *mtype, char *buf)
{
	const struct vgpu_type *t = to_func_type(mtype)->type;

	ops_read(OP_DESCRIPTION);
	return sysfs_emit(buf, "num_heads=%u, frl_config=%u, framebuffer=%uM, "
			  "max_resolution=%s, max_instance=%u\n", t->num_heads,
			  t->frl, t->fb_mib, t->max_resolution, t->max_instance);
}

static struct mdev_driver vgpu_driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.probe = vgpu_probe,
	.remove = vgpu_remove,
	.get_available = get_available,
	.show_description = show_description,
	.driver = {
		.name = "nvidia-vgpu-vfio",
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
		.dev_groups = groups,
	},
};

int mdev_start(void)
{
	return mdev_register_driver(&vgpu_driver);
}

void mdev_stop(void)
{
	mdev_unregister_driver(&vgpu_driver);
}

/* --- parents --------------------------------------------------------------------- */

static void fill_types(struct func *f)
{
	const struct board *b = f->gpu->board;
	unsigned int i;

	for (i = 0; i < b->n_types; i++) {
		struct func_type *ft = &f->types[i];

		ft->func = f;
		ft->type = &b->types[i];
		snprintf(ft->sysfs_name, sizeof(ft->sysfs_name), "%u", ft->type->id);
		ft->mdev.sysfs_name = ft->sysfs_name;
		ft->mdev.pretty_name = ft->type->name;
		f->mdev_types[i] = &ft->mdev;
	}
}

static void free_types(struct func *f)
{
	kfree(f->mdev_types);
	kfree(f->types);
	f->mdev_types = NULL;
	f->types = NULL;
}

int mdev_add_func(struct func *f)
{
	unsigned int n = f->gpu->board->n_types;
	int ret = -ENOMEM;

	f->types = kcalloc(n, sizeof(*f->types), GFP_KERNEL);
	f->mdev_types = kcalloc(n, sizeof(*f->mdev_types), GFP_KERNEL);
	if (f->types && f->mdev_types) {
		fill_types(f);
		ret = mdev_register_parent(&f->parent, &f->pdev->dev,
					   &vgpu_driver, f->mdev_types, n);
	}
	if (ret)
		free_types(f);
	return ret;
}

void mdev_remove_func(struct func *f)
{
	mdev_unregister_parent(&f->parent);
	free_types(f);
}
