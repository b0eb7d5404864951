// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The module's parameters. README says what each is for.
 */
#include "sim.h"

#include <linux/err.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait.h>

#define MAX_ERRNO_NAMED	133	/* EHWPOISON, the last one user space knows */

static char *framework = "mdev";
module_param(framework, charp, 0444);
MODULE_PARM_DESC(framework, "mdev (default) or vendor");

unsigned int selfclean_ms;
module_param(selfclean_ms, uint, 0644);
MODULE_PARM_DESC(selfclean_ms, "remove a vGPU by itself that long after it was closed, 0: never");

static bool lose_next;
module_param(lose_next, bool, 0644);
MODULE_PARM_DESC(lose_next, "vendor: the next create succeeds and makes nothing");

static DEFINE_SPINLOCK(stall_lock);
static DECLARE_WAIT_QUEUE_HEAD(stall_over);
static char stall[32];	/* the address of a GPU; under stall_lock */

static int stall_set(const char *val, const struct kernel_param *kp)
{
	spin_lock(&stall_lock);
	strscpy(stall, val, sizeof(stall));
	strim(stall);
	spin_unlock(&stall_lock);
	wake_up_all(&stall_over);
	return 0;
}

static int stall_get(char *buf, const struct kernel_param *kp)
{
	int n;

	spin_lock(&stall_lock);
	n = sysfs_emit(buf, "%s\n", stall);
	spin_unlock(&stall_lock);
	return n;
}

static const struct kernel_param_ops stall_ops = {
	.set = stall_set,
	.get = stall_get,
};

module_param_cb(stall, &stall_ops, NULL, 0644);
MODULE_PARM_DESC(stall, "address of a GPU whose creates and removals stand until it is another");

static bool is_stalled(const char *gpu)
{
	bool ret;

	spin_lock(&stall_lock);
	ret = !strcmp(stall, gpu);
	spin_unlock(&stall_lock);
	return ret;
}

void stall_wait(struct func *f)
{
	const char *gpu = pci_name(pci_physfn(f->pdev));

	if (!is_stalled(gpu))
		return;
	dev_info(&f->pdev->dev, "stands, as the parameter stall has it\n");
	wait_event(stall_over, !is_stalled(gpu));
}

bool framework_is_vendor(void)
{
	return !strcmp(framework, "vendor");
}

int params_check(void)
{
	if (framework_is_vendor() || !strcmp(framework, "mdev"))
		return 0;
	pr_err("nvidia: framework is neither mdev nor vendor: '%s'\n", framework);
	return -EINVAL;
}

/* --- errnos, by name or number -------------------------------------------- */

static int refusals[R_MAX];
static int refuse_next;

/* The kernel's own table, which is not exported, but printk's %pe shows. */
static void errno_name(int number, char *buf, size_t size)
{
	snprintf(buf, size, "%pe", ERR_PTR(-number));
}

static int errno_by_name(const char *name)
{
	char buf[32];
	int i;

	for (i = 1; i <= MAX_ERRNO_NAMED; i++) {
		errno_name(i, buf, sizeof(buf));
		if (buf[0] == '-' && !strcmp(buf + 1, name))
			return i;
	}
	return -EINVAL;
}

static int errno_parse(const char *val)
{
	char *copy = kstrdup(val, GFP_KERNEL), *text;
	int number;

	if (!copy)
		return -ENOMEM;
	text = strim(copy);
	if (kstrtoint(text, 10, &number))
		number = errno_by_name(text);
	else if (number < 0 || number > MAX_ERRNO_NAMED)
		number = -ERANGE;
	kfree(copy);
	return number;
}

static int errno_set(const char *val, const struct kernel_param *kp)
{
	int number = errno_parse(val);

	if (number < 0)
		return number;
	WRITE_ONCE(*(int *)kp->arg, number);
	if (kp->arg == &refusals[R_SRIOV] && number)
		sriov_take_over();
	return 0;
}

static int errno_get(char *buf, const struct kernel_param *kp)
{
	int number = READ_ONCE(*(int *)kp->arg);
	char name[32];

	if (!number)
		return sysfs_emit(buf, "0\n");
	errno_name(number, name, sizeof(name));
	return sysfs_emit(buf, "%s\n", name + 1);
}

static const struct kernel_param_ops errno_ops = {
	.set = errno_set,
	.get = errno_get,
};

#define REFUSAL(key, r, text)						\
	module_param_cb(errno_##key, &errno_ops, &refusals[r], 0644);	\
	MODULE_PARM_DESC(errno_##key, text)

REFUSAL(size, R_SIZE, "create: another size runs on the GPU");
REFUSAL(count, R_COUNT, "create: max_instance is reached");
REFUSAL(memory, R_MEMORY, "create, mixed sizes: not enough memory");
REFUSAL(busy, R_BUSY, "create: the VF has a vGPU");
REFUSAL(unknown, R_UNKNOWN, "create, vendor: no such type");
REFUSAL(held, R_HELD, "vendor: a vGPU that is open is changed");
REFUSAL(params, R_PARAMS, "vgpu_params of a vGPU that is open");
REFUSAL(sriov, R_SRIOV, "write to sriov_numvfs");

module_param_cb(refuse_next, &errno_ops, &refuse_next, 0644);
MODULE_PARM_DESC(refuse_next, "refuse the next create with this errno, once");

int refusal_errno(enum refusal r, int def)
{
	int number = READ_ONCE(refusals[r]);

	return -(number ? number : def);
}

int take_refusal(void)
{
	return -xchg(&refuse_next, 0);
}

bool take_loss(void)
{
	return xchg(&lose_next, false);
}

/* --- mixed_size, allow_numvfs ------------------------------------------------ */

bool mixed_size;

/* As nvidia-smi vgpu -shm: only while nothing runs. */
static int mixed_set(const char *val, const struct kernel_param *kp)
{
	int ret;

	mutex_lock(&sim_lock);
	ret = room_any_running() ? -EBUSY : param_set_bool(val, kp);
	mutex_unlock(&sim_lock);
	return ret;
}

static const struct kernel_param_ops mixed_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = mixed_set,
	.get = param_get_bool,
};

module_param_cb(mixed_size, &mixed_ops, &mixed_size, 0644);
MODULE_PARM_DESC(mixed_size, "vGPUs of several sizes on a GPU");

bool allow_numvfs;

static int numvfs_set(const char *val, const struct kernel_param *kp)
{
	int ret = param_set_bool(val, kp);

	if (!ret && allow_numvfs)
		sriov_take_over();
	return ret;
}

static const struct kernel_param_ops numvfs_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = numvfs_set,
	.get = param_get_bool,
};

module_param_cb(allow_numvfs, &numvfs_ops, &allow_numvfs, 0644);
MODULE_PARM_DESC(allow_numvfs, "let sriov_numvfs be written while this driver has the PF");
