// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The VFIO device that QEMU opens: a PCI function with config space and one
 * BAR which reads as zeroes. No interrupts, no DMA, no mmap.
 */
#include "sim.h"

#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#define BAR0_SIZE	(16U << 20)
#define REGION_SHIFT	40
#define REGION_MASK	(BIT_ULL(REGION_SHIFT) - 1)

static struct vgpu *to_vgpu(struct vfio_device *vdev)
{
	return container_of(vdev, struct vgpu, vdev);
}

static void put_le16(u8 *at, u16 value)
{
	at[0] = value;
	at[1] = value >> 8;
}

void vgpu_fill_config(struct vgpu *v)
{
	const struct vgpu_type *t = v->instance.type;

	memset(v->config, 0, sizeof(v->config));
	put_le16(v->config + PCI_VENDOR_ID, PCI_VENDOR_ID_NVIDIA);
	put_le16(v->config + PCI_DEVICE_ID, v->func->gpu->board->device);
	v->config[PCI_REVISION_ID] = 0xa1;
	put_le16(v->config + PCI_CLASS_DEVICE, PCI_CLASS_DISPLAY_VGA);
	put_le16(v->config + PCI_SUBSYSTEM_VENDOR_ID, PCI_VENDOR_ID_NVIDIA);
	/* A guest tells types apart by this; the numbers are not NVIDIA's. */
	put_le16(v->config + PCI_SUBSYSTEM_ID, t ? t->id : 0);
}

struct vgpu *vgpu_alloc(struct func *f, struct device *dev,
			const struct vfio_device_ops *ops)
{
	struct vgpu *v = vfio_alloc_device(vgpu, vdev, dev, ops);

	if (IS_ERR(v))
		return v;
	v->func = f;
	selfclean_init(v);
	return v;
}

/* --- vgpu_params ------------------------------------------------------------ */

/* One write is the whole list; blanks clear it. */
int vgpu_set_params(struct vgpu *v, const char *text, size_t len)
{
	int ret = 0;

	ops_write(OP_VGPU_PARAMS);
	mutex_lock(&sim_lock);
	if (v->opened)
		ret = refusal_errno(R_PARAMS, EBUSY);
	else if (len >= PARAMS_MAX || strlen(text) != len)
		ret = -EINVAL;
	else
		strscpy(v->params, skip_spaces(text), sizeof(v->params));
	if (!ret)
		strim(v->params);
	mutex_unlock(&sim_lock);
	return ret;
}

ssize_t vgpu_show_params(struct vgpu *v, char *buf)
{
	ssize_t len;

	ops_read(OP_VGPU_PARAMS);
	mutex_lock(&sim_lock);
	len = sysfs_emit(buf, "%s\n", v->params);
	mutex_unlock(&sim_lock);
	return len;
}

/* --- open and close ----------------------------------------------------------- */

/* A VF without a vGPU has a VFIO device too, which cannot be opened. */
static int vgpu_open(struct vfio_device *vdev)
{
	struct vgpu *v = to_vgpu(vdev);
	int ret = 0;

	mutex_lock(&sim_lock);
	if (!v->instance.type) {
		ret = -ENODEV;
	} else {
		v->opened = true;
		selfclean_cancel(v);
		dev_info(vdev->dev, "%s is open, parameters '%s'\n",
			 v->instance.type->name, v->params);
	}
	mutex_unlock(&sim_lock);
	return ret;
}

static void vgpu_close(struct vfio_device *vdev)
{
	struct vgpu *v = to_vgpu(vdev);

	mutex_lock(&sim_lock);
	v->opened = false;
	selfclean_arm(v);
	mutex_unlock(&sim_lock);
}

/* --- regions -------------------------------------------------------------------- */

static u64 region_size(u64 index)
{
	switch (index) {
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return CONFIG_SIZE;
	case VFIO_PCI_BAR0_REGION_INDEX:
		return BAR0_SIZE;
	default:
		return 0;
	}
}

/* How much of @count lies in the region that @pos is in. */
static size_t region_clamp(u64 pos, size_t count)
{
	u64 size = region_size(pos >> REGION_SHIFT), off = pos & REGION_MASK;

	return off < size ? min_t(u64, count, size - off) : 0;
}

static ssize_t vgpu_read(struct vfio_device *vdev, char __user *buf,
			 size_t count, loff_t *pos)
{
	struct vgpu *v = to_vgpu(vdev);
	size_t n = region_clamp(*pos, count);
	unsigned long left;

	if (!n)
		return -EINVAL;
	if (*pos >> REGION_SHIFT == VFIO_PCI_CONFIG_REGION_INDEX)
		left = copy_to_user(buf, v->config + (*pos & REGION_MASK), n);
	else
		left = clear_user(buf, n);
	if (left)
		return -EFAULT;
	*pos += n;
	return n;
}

/* What a guest may change: its command register and where BAR 0 is. */
static void write_config(struct vgpu *v, u64 off, const u8 *data, size_t n)
{
	u32 bar;

	if (off == PCI_COMMAND && n == 2) {
		memcpy(v->config + off, data, n);
	} else if (off == PCI_BASE_ADDRESS_0 && n == 4) {
		bar = (data[3] << 24 | data[2] << 16) & ~(BAR0_SIZE - 1);
		put_le16(v->config + off, bar);
		put_le16(v->config + off + 2, bar >> 16);
	}
}

static ssize_t vgpu_write(struct vfio_device *vdev, const char __user *buf,
			  size_t count, loff_t *pos)
{
	size_t n = region_clamp(*pos, count);
	u8 data[4];

	if (!n)
		return -EINVAL;
	if (*pos >> REGION_SHIFT == VFIO_PCI_CONFIG_REGION_INDEX) {
		n = min(n, sizeof(data));
		if (copy_from_user(data, buf, n))
			return -EFAULT;
		write_config(to_vgpu(vdev), *pos & REGION_MASK, data, n);
	}
	*pos += n;
	return n;
}

/* --- ioctls ------------------------------------------------------------------------ */

static long get_info(void __user *arg)
{
	size_t size = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info = {};

	if (copy_from_user(&info, arg, size))
		return -EFAULT;
	if (info.argsz < size)
		return -EINVAL;
	info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	return copy_to_user(arg, &info, size) ? -EFAULT : 0;
}

static long get_region_info(void __user *arg)
{
	size_t size = offsetofend(struct vfio_region_info, offset);
	struct vfio_region_info info = {};

	if (copy_from_user(&info, arg, size))
		return -EFAULT;
	if (info.argsz < size || info.index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	info.size = region_size(info.index);
	info.offset = (u64)info.index << REGION_SHIFT;
	info.flags = info.size ? VFIO_REGION_INFO_FLAG_READ |
				 VFIO_REGION_INFO_FLAG_WRITE : 0;
	info.cap_offset = 0;
	return copy_to_user(arg, &info, size) ? -EFAULT : 0;
}

static long get_irq_info(void __user *arg)
{
	size_t size = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info = {};

	if (copy_from_user(&info, arg, size))
		return -EFAULT;
	if (info.argsz < size || info.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	info.count = 0;
	return copy_to_user(arg, &info, size) ? -EFAULT : 0;
}

static long vgpu_ioctl(struct vfio_device *vdev, unsigned int cmd,
		       unsigned long arg)
{
	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return get_info((void __user *)arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return get_region_info((void __user *)arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return get_irq_info((void __user *)arg);
	case VFIO_DEVICE_RESET:
		return 0;
	default:
		return -ENOTTY;
	}
}

/* --- the operations ------------------------------------------------------------------ */

/* Since 6.2 the core frees the device, before that release() has to. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define RELEASE .release = vfio_free_device,
#else
#define RELEASE
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define IOMMUFD(kind)						\
	.bind_iommufd = vfio_iommufd_##kind##_bind,		\
	.unbind_iommufd = vfio_iommufd_##kind##_unbind,		\
	.attach_ioas = vfio_iommufd_##kind##_attach_ioas,	\
	.detach_ioas = vfio_iommufd_##kind##_detach_ioas,
#else
#define IOMMUFD(kind)
#endif

const struct vfio_device_ops vgpu_mdev_ops = {
	.name = "nvidia-vgpu-mdev",
	RELEASE
	.open_device = vgpu_open,
	.close_device = vgpu_close,
	.read = vgpu_read,
	.write = vgpu_write,
	.ioctl = vgpu_ioctl,
	IOMMUFD(emulated)
};

const struct vfio_device_ops vgpu_vendor_ops = {
	.name = "nvidia-vgpu-vfio",
	RELEASE
	.open_device = vgpu_open,
	.close_device = vgpu_close,
	.read = vgpu_read,
	.write = vgpu_write,
	.ioctl = vgpu_ioctl,
	IOMMUFD(physical)
};
