// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vGPUs by NVIDIA's own files in <VF>/nvidia: the VF is the VFIO device.
 */
#include "sim.h"

#include <linux/sysfs.h>

static struct func *to_func(struct device *dev)
{
	return pci_get_drvdata(to_pci_dev(dev));
}

static struct vgpu *to_vgpu(struct device *dev)
{
	return to_func(dev)->vendor;
}

/* --- types ---------------------------------------------------------------------- */

static ssize_t creatable_vgpu_types_show(struct device *dev,
					 struct device_attribute *a, char *buf)
{
	const struct func *f = to_func(dev);
	const struct board *b = f->gpu->board;
	int len = sysfs_emit(buf, "ID    : vGPU Name\n");
	unsigned int i;

	ops_read(OP_CREATABLE_VGPU_TYPES);
	mutex_lock(&sim_lock);
	for (i = 0; i < b->n_types; i++)
		if (room_available(f, &b->types[i]))
			len += sysfs_emit_at(buf, len, "%-5u : %s\n",
					     b->types[i].id, b->types[i].name);
	mutex_unlock(&sim_lock);
	return len;
}
static DEVICE_ATTR_RO(creatable_vgpu_types);

static ssize_t current_vgpu_type_show(struct device *dev,
				      struct device_attribute *a, char *buf)
{
	const struct vgpu_type *t;

	ops_read(OP_CURRENT_VGPU_TYPE);
	mutex_lock(&sim_lock);
	t = to_vgpu(dev)->instance.type;
	mutex_unlock(&sim_lock);
	return sysfs_emit(buf, "%u\n", t ? t->id : 0);
}

static const struct vgpu_type *find_type(const struct board *b, u32 id)
{
	unsigned int i;

	for (i = 0; i < b->n_types; i++)
		if (b->types[i].id == id)
			return &b->types[i];
	return NULL;
}

static int create(struct vgpu *v, u32 id)
{
	const struct vgpu_type *t = find_type(v->func->gpu->board, id);
	int ret = take_refusal();

	if (ret || take_loss())
		return ret;
	if (v->instance.type)
		return refusal_errno(R_BUSY, EIO);
	if (!t)
		return refusal_errno(R_UNKNOWN, EINVAL);
	ret = room_take(v->func, t, &v->instance);
	if (ret)
		return ret;
	selfclean_cancel(v);
	vgpu_fill_config(v);
	return 0;
}

/* Parameters go with the vGPU they were for. */
static void destroy(struct vgpu *v)
{
	selfclean_cancel(v);
	if (v->instance.type)
		room_give(v->func, &v->instance);
	v->params[0] = '\0';
}

void vendor_clean(struct vgpu *v)
{
	if (v->instance.type && !v->opened)
		destroy(v);
}

static int set_type(struct vgpu *v, u32 id)
{
	lockdep_assert_held(&sim_lock);
	if (v->opened)
		return refusal_errno(R_HELD, EBUSY);
	if (id)
		return create(v, id);
	/* Without a vGPU, parameters for one to come stay. */
	if (v->instance.type)
		destroy(v);
	return 0;
}

static ssize_t current_vgpu_type_store(struct device *dev,
				       struct device_attribute *a,
				       const char *buf, size_t count)
{
	u32 id;
	int ret;

	ops_write(OP_CURRENT_VGPU_TYPE);
	ret = kstrtou32(buf, 0, &id);
	if (ret)
		return ret;
	stall_wait(to_func(dev));
	mutex_lock(&sim_lock);
	ret = set_type(to_vgpu(dev), id);
	mutex_unlock(&sim_lock);
	return ret ? ret : count;
}
static DEVICE_ATTR_RW(current_vgpu_type);

/* --- what the driver chose -------------------------------------------------------- */

/* What a write does to these three on a real one is not known. */
static ssize_t placement_id_show(struct device *dev, struct device_attribute *a,
				 char *buf)
{
	const struct instance *in = &to_vgpu(dev)->instance;
	ssize_t ret = -ENXIO;

	ops_read(OP_PLACEMENT_ID);
	mutex_lock(&sim_lock);
	if (in->type)
		ret = sysfs_emit(buf, "%u\n", in->placement);
	mutex_unlock(&sim_lock);
	return ret;
}

static ssize_t placement_id_store(struct device *dev, struct device_attribute *a,
				  const char *buf, size_t count)
{
	ops_write(OP_PLACEMENT_ID);
	return -EPERM;
}
static DEVICE_ATTR_RW(placement_id);

/* No MIG here: 0. */
static ssize_t gpu_instance_id_show(struct device *dev,
				    struct device_attribute *a, char *buf)
{
	const struct vgpu_type *t;

	ops_read(OP_GPU_INSTANCE_ID);
	mutex_lock(&sim_lock);
	t = to_vgpu(dev)->instance.type;
	mutex_unlock(&sim_lock);
	return t ? sysfs_emit(buf, "0\n") : -ENXIO;
}

static ssize_t gpu_instance_id_store(struct device *dev,
				     struct device_attribute *a,
				     const char *buf, size_t count)
{
	ops_write(OP_GPU_INSTANCE_ID);
	return -EPERM;
}
static DEVICE_ATTR_RW(gpu_instance_id);

static ssize_t warm_update_show(struct device *dev, struct device_attribute *a,
				char *buf)
{
	ops_read(OP_WARM_UPDATE);
	return sysfs_emit(buf, "0\n");
}

static ssize_t warm_update_store(struct device *dev, struct device_attribute *a,
				 const char *buf, size_t count)
{
	ops_write(OP_WARM_UPDATE);
	return -EPERM;
}
static DEVICE_ATTR_RW(warm_update);

static ssize_t vgpu_params_show(struct device *dev, struct device_attribute *a,
				char *buf)
{
	return vgpu_show_params(to_vgpu(dev), buf);
}

static ssize_t vgpu_params_store(struct device *dev, struct device_attribute *a,
				 const char *buf, size_t count)
{
	int ret = vgpu_set_params(to_vgpu(dev), buf, count);

	return ret ? ret : count;
}
static DEVICE_ATTR_RW(vgpu_params);

static struct attribute *attrs[] = {
	&dev_attr_creatable_vgpu_types.attr,
	&dev_attr_current_vgpu_type.attr,
	&dev_attr_vgpu_params.attr,
	&dev_attr_placement_id.attr,
	&dev_attr_gpu_instance_id.attr,
	&dev_attr_warm_update.attr,
	NULL
};

static const struct attribute_group group = { .name = "nvidia", .attrs = attrs };

/* --- the VF comes and goes ------------------------------------------------------------ */

int vendor_add_func(struct func *f)
{
	struct vgpu *v = vgpu_alloc(f, &f->pdev->dev, &vgpu_vendor_ops);
	int ret;

	if (IS_ERR(v))
		return PTR_ERR(v);
	vgpu_fill_config(v);
	ret = vfio_register_group_dev(&v->vdev);
	if (ret)
		goto err_put;
	f->vendor = v;
	ret = sysfs_create_group(&f->pdev->dev.kobj, &group);
	if (ret)
		goto err_unregister;
	return 0;

err_unregister:
	f->vendor = NULL;
	vfio_unregister_group_dev(&v->vdev);
err_put:
	vfio_put_device(&v->vdev);
	return ret;
}

/* Waits until the vGPU is closed. */
void vendor_remove_func(struct func *f)
{
	struct vgpu *v = f->vendor;

	sysfs_remove_group(&f->pdev->dev.kobj, &group);
	vfio_unregister_group_dev(&v->vdev);
	mutex_lock(&sim_lock);
	destroy(v);
	mutex_unlock(&sim_lock);
	f->vendor = NULL;
	vfio_put_device(&v->vdev);
}
