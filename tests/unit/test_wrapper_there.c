/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wrapper_there.h"

#include "tree.h"

static void link_to(const char *target, const char *path)
{
	AUTO_FREE char *full = xasprintf("%s/%s", tree_dir, path);

	unlink(full);
	CHECK_NUM(symlink(target, full), 0);
}

static void remove_file(const char *path)
{
	CHECK_NUM(root_unlink(&tree, path, NULL), 0);
}

int main(void)
{
	tree_begin();

	TEST("wrapper_there: nothing there, and QEMU alone") {
		CHECK(!wrapper_there(&tree));
		tree_put("usr/bin/qemu-system-x86_64", "qemu");
		link_to("qemu-system-x86_64", "usr/bin/kvm");
		CHECK(!wrapper_there(&tree));
	}
	TEST("wrapper_there: the package is there and its diversion is not") {
		tree_put("usr/lib/pve-vgpu/qemu-wrapper", "wrapper");
		CHECK(!wrapper_there(&tree));
		link_to("qemu-system-x86_64", "usr/bin/kvm.distrib");
		CHECK(!wrapper_there(&tree));
	}
	TEST("wrapper_there: a link to the wrapper, relative or absolute, with QEMU moved aside") {
		link_to("../lib/pve-vgpu/qemu-wrapper", "usr/bin/kvm");
		CHECK(wrapper_there(&tree));
		link_to("/usr/lib/pve-vgpu/qemu-wrapper", "usr/bin/kvm");
		CHECK(wrapper_there(&tree));
	}
	TEST("wrapper_there: the wrapper without a QEMU that it could run") {
		remove_file("usr/bin/qemu-system-x86_64");
		CHECK(!wrapper_there(&tree));
		link_to("/usr/bin/kvm", "usr/bin/kvm.distrib");
		CHECK(!wrapper_there(&tree));
		remove_file("usr/bin/kvm.distrib");
		CHECK(!wrapper_there(&tree));
	}
	TEST("wrapper_there: another program of the same content is none of ours") {
		tree_put("usr/bin/kvm.distrib", "qemu");
		CHECK(wrapper_there(&tree));
		remove_file("usr/bin/kvm");
		tree_put("usr/bin/kvm", "wrapper");
		CHECK(!wrapper_there(&tree));
	}
	return tap_done();
}
