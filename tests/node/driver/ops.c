// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How often each attribute was read and written: debugfs, nvidia-vgpu-sim/ops.
 *
 * Only what reaches this driver is counted. The mdev core answers `name` and
 * `device_api` alone, refuses a `create` with no UUID or one in use before it
 * asks the driver, and a `remove` with 0 or a second one never gets here.
 */
#include "sim.h"

#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

enum { READ_OP, WRITE_OP };

static atomic_long_t counts[OP_MAX][2];
static struct dentry *dir;

static const char *const names[OP_MAX] = {
	[OP_AVAILABLE_INSTANCES] = "available_instances",
	[OP_CREATABLE_VGPU_TYPES] = "creatable_vgpu_types",
	[OP_CREATE] = "create",
	[OP_CURRENT_VGPU_TYPE] = "current_vgpu_type",
	[OP_DESCRIPTION] = "description",
	[OP_GPU_INSTANCE_ID] = "gpu_instance_id",
	[OP_PLACEMENT_ID] = "placement_id",
	[OP_REMOVE] = "remove",
	[OP_SRIOV_NUMVFS] = "sriov_numvfs",
	[OP_VGPU_PARAMS] = "vgpu_params",
	[OP_WARM_UPDATE] = "warm_update",
};

void ops_read(enum op_attr a)
{
	atomic_long_inc(&counts[a][READ_OP]);
}

void ops_write(enum op_attr a)
{
	atomic_long_inc(&counts[a][WRITE_OP]);
}

static int ops_show(struct seq_file *m, void *unused)
{
	long r[OP_MAX], w[OP_MAX], total = 0;
	int i;

	for (i = 0; i < OP_MAX; i++) {
		r[i] = atomic_long_read(&counts[i][READ_OP]);
		w[i] = atomic_long_read(&counts[i][WRITE_OP]);
		total += r[i] + w[i];
	}
	seq_printf(m, "{ \"total\": %ld", total);
	for (i = 0; i < OP_MAX; i++)
		if (r[i] || w[i])
			seq_printf(m, ", \"%s\": { \"read\": %ld, \"write\": %ld }",
				   names[i], r[i], w[i]);
	seq_puts(m, " }\n");
	return 0;
}

static int ops_open(struct inode *inode, struct file *file)
{
	return single_open(file, ops_show, NULL);
}

static ssize_t ops_reset(struct file *file, const char __user *buf,
			 size_t count, loff_t *pos)
{
	int i;

	for (i = 0; i < OP_MAX; i++) {
		atomic_long_set(&counts[i][READ_OP], 0);
		atomic_long_set(&counts[i][WRITE_OP], 0);
	}
	return count;
}

static const struct file_operations ops_fops = {
	.owner = THIS_MODULE,
	.open = ops_open,
	.read = seq_read,
	.write = ops_reset,
	.llseek = seq_lseek,
	.release = single_release,
};

void ops_start(void)
{
	dir = debugfs_create_dir("nvidia-vgpu-sim", NULL);
	debugfs_create_file("ops", 0600, dir, NULL, &ops_fops);
}

void ops_stop(void)
{
	debugfs_remove_recursive(dir);
}
