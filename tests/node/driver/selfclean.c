// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Some versions of NVIDIA's driver remove a vGPU themselves, a moment after it
 * was closed.
 *
 * For vendor VFIO that is a change of our own state. An mdev belongs to the
 * mdev core, which gives a parent's driver no way to remove one of them: it
 * exports mdev_unregister_parent(), which takes the parent's types away too,
 * and mdev_device_remove() is its own. Calling the remove attribute's store
 * function from here would hang, because it gives up a reference to the file
 * that only a writer holds (device_remove_file_self()), and device_del() alone
 * leaves the mdev in the core's list with its links. So this writes to the
 * file, as anybody else would; all races are then the kernel's usual ones.
 */
#include "sim.h"

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/slab.h>

static struct workqueue_struct *queue;

static bool is_due(struct vgpu *v)
{
	lockdep_assert_held(&sim_lock);
	return v->events == v->clean_at_event;
}

/*
 * The file is opened first: if the UUID belongs to a new mdev by then, ours is
 * not due any more, and if ours goes after the check, the write fails.
 */
static void clean_mdev(struct vgpu *v)
{
	char *path = kasprintf(GFP_KERNEL, "/sys/bus/mdev/devices/%s/remove",
			       v->uuid);
	struct file *file;
	loff_t pos = 0;
	bool due;

	if (!path)
		return;
	file = filp_open(path, O_WRONLY, 0);
	kfree(path);
	if (IS_ERR(file))
		return;
	mutex_lock(&sim_lock);
	due = is_due(v);
	v->cleaning = due;
	mutex_unlock(&sim_lock);
	if (due)
		kernel_write(file, "1", 1, &pos);
	filp_close(file, NULL);
}

static void clean_vendor(struct vgpu *v)
{
	mutex_lock(&sim_lock);
	if (is_due(v))
		vendor_clean(v);
	mutex_unlock(&sim_lock);
}

static void clean(struct work_struct *work)
{
	struct vgpu *v = container_of(to_delayed_work(work), struct vgpu, clean);

	if (v->uuid[0])
		clean_mdev(v);
	else
		clean_vendor(v);
	put_device(&v->vdev.device);
}

void selfclean_init(struct vgpu *v)
{
	INIT_DELAYED_WORK(&v->clean, clean);
	v->clean_at_event = UINT_MAX;
}

void selfclean_cancel(struct vgpu *v)
{
	lockdep_assert_held(&sim_lock);
	v->events++;
	if (cancel_delayed_work(&v->clean))
		put_device(&v->vdev.device);
}

void selfclean_arm(struct vgpu *v)
{
	unsigned int ms = READ_ONCE(selfclean_ms);

	lockdep_assert_held(&sim_lock);
	if (!ms)
		return;
	v->clean_at_event = v->events;
	get_device(&v->vdev.device);
	if (!queue_delayed_work(queue, &v->clean, msecs_to_jiffies(ms)))
		put_device(&v->vdev.device);
}

/* Unbound: a removal that waits for one vGPU holds up no other. */
int selfclean_start(void)
{
	queue = alloc_workqueue("vgpu-selfclean", WQ_UNBOUND, 0);
	return queue ? 0 : -ENOMEM;
}

void selfclean_stop(void)
{
	destroy_workqueue(queue);
}
