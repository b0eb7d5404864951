// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A vGPU host without a GPU, for tests: the PCI driver `nvidia` on what QEMU
 * emulates. See README.
 */
#include "sim.h"

#include <linux/module.h>
#include <linux/slab.h>

DEFINE_MUTEX(sim_lock);

/* --- functions that vGPUs are made on ------------------------------------------ */

static int func_add(struct pci_dev *pdev, struct gpu *gpu)
{
	struct func *f = kzalloc(sizeof(*f), GFP_KERNEL);
	int ret;

	if (!f)
		return -ENOMEM;
	f->gpu = gpu;
	f->pdev = pdev;
	pci_set_drvdata(pdev, f);
	ret = pdev->is_virtfn && framework_is_vendor() ? vendor_add_func(f) :
							 mdev_add_func(f);
	if (!ret)
		return 0;
	pci_set_drvdata(pdev, NULL);
	kfree(f);
	return ret;
}

static void func_remove(struct func *f)
{
	mutex_lock(&sim_lock);
	f->leaving = true;
	mutex_unlock(&sim_lock);
	if (f->vendor)
		vendor_remove_func(f);
	else
		mdev_remove_func(f);
	kfree(f);
}

/* --- GPUs --------------------------------------------------------------------------- */

/* A VF is of use only while its PF is with this driver, as with NVIDIA's. */
static int vf_add(struct pci_dev *vf)
{
	struct pci_dev *pf = pci_physfn(vf);
	struct gpu *gpu;

	if (pf->dev.driver != vf->dev.driver)
		return -ENODEV;
	gpu = pci_get_drvdata(pf);
	if (!gpu)
		return -ENODEV;
	if (!device_iommu_mapped(&vf->dev)) {
		pci_info(vf, "no IOMMU: the VF is not used\n");
		return -ENODEV;
	}
	return func_add(vf, gpu);
}

/*
 * VFs that were made while another driver had the PF, as sriov-manage makes
 * them through pci-pf-stub, were refused by sim_probe(): offer them to it again.
 */
static void attach_vfs(struct pci_dev *pf)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev)
		if (pdev->is_virtfn && pci_physfn(pdev) == pf &&
		    !pdev->dev.driver && device_attach(&pdev->dev) < 0)
			pci_info(pdev, "not attached\n");
}

static int pf_add(struct pci_dev *pf)
{
	struct gpu *gpu;
	int ret;

	gpu = kzalloc(sizeof(*gpu), GFP_KERNEL);
	if (!gpu)
		return -ENOMEM;
	INIT_LIST_HEAD(&gpu->instances);
	gpu->board = identity_board(pf);
	if (!gpu->board) {
		kfree(gpu);
		return -ENODEV;
	}
	if (gpu->board->sriov) {
		pci_set_drvdata(pf, gpu);
		attach_vfs(pf);
		return 0;
	}
	ret = func_add(pf, gpu);
	if (ret)
		kfree(gpu);
	return ret;
}

/* No vGPU outlives the driver, and no VF: their GPU is known to it alone. */
static void pf_remove(struct pci_dev *pf)
{
	struct gpu *gpu;

	if (pci_sriov_get_totalvfs(pf)) {
		gpu = pci_get_drvdata(pf);
		pci_disable_sriov(pf);
	} else {
		struct func *f = pci_get_drvdata(pf);

		gpu = f->gpu;
		func_remove(f);
	}
	kfree(gpu);
}

/* --- the PCI driver ------------------------------------------------------------------- */

static int sim_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return pdev->is_virtfn ? vf_add(pdev) : pf_add(pdev);
}

static void sim_remove(struct pci_dev *pdev)
{
	if (pdev->is_virtfn)
		func_remove(pci_get_drvdata(pdev));
	else
		pf_remove(pdev);
}

static int sim_sriov_configure(struct pci_dev *pdev, int n)
{
	ops_write(OP_SRIOV_NUMVFS);
	if (!allow_numvfs)
		return refusal_errno(R_SRIOV, ENOENT);
	return pci_sriov_configure_simple(pdev, n);
}

static const struct pci_device_id ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_NVIDIA, PCI_ANY_ID) },
	{ }
};

static struct pci_driver driver = {
	.name = "nvidia",
	.id_table = ids,
	.probe = sim_probe,
	.remove = sim_remove,
	.driver_managed_dma = true,	/* VFIO has the VFs' groups */
};

/*
 * NVIDIA's driver has no sriov_configure, so the kernel answers ENOENT itself.
 * Ours has one only once a parameter asks for something else, and keeps it: the
 * kernel may be about to call it.
 */
void sriov_take_over(void)
{
	WRITE_ONCE(driver.sriov_configure, sim_sriov_configure);
}

static int __init sim_init(void)
{
	int ret = params_check();

	if (ret)
		return ret;
	ret = selfclean_start();
	if (ret)
		return ret;
	ret = mdev_start();
	if (ret)
		goto err_selfclean;
	ret = identity_start();
	if (ret)
		goto err_mdev;
	ops_start();
	ret = pci_register_driver(&driver);
	if (ret)
		goto err_identity;
	return 0;

err_identity:
	ops_stop();
	identity_stop();
err_mdev:
	mdev_stop();
err_selfclean:
	selfclean_stop();
	return ret;
}

static void __exit sim_exit(void)
{
	pci_unregister_driver(&driver);
	ops_stop();
	identity_stop();
	mdev_stop();
	selfclean_stop();
}

module_init(sim_init);
module_exit(sim_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A vGPU host without a GPU, for tests");
MODULE_VERSION("550.163.02");
