/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cluster.h"

#include <errno.h>

#include "tree.h"

static void test_mounted(void)
{
	TEST("cluster: an empty /etc/pve, or none, is not mounted") {
		AUTO_CLUSTER_GUESTS struct cluster_guests l = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(cluster_mounted(&tree, &e), -ENOENT);
		CHECK_STR(e.msg, "/etc/pve is not mounted");
		CHECK_HAS(e.hint, "pve-cluster");
		CHECK_NUM(root_mkdir(&tree, "etc/pve", NULL), 0);
		CHECK_NUM(cluster_guests(&tree, &l, NULL), -ENOENT);
		CHECK_NUM(root_mkdir(&tree, "etc/pve/priv", NULL), 0);
		CHECK_NUM(cluster_mounted(&tree, NULL), 0);
		/* And without nodes in it nothing is known of the guests. */
		CHECK_NUM(cluster_guests(&tree, &l, NULL), -ENOENT);
	}
}

static void test_local_node(void)
{
	TEST("cluster_local_node: is what /etc/pve/local points to") {
		static const char *const bad[] = { "nodes/", "nodes", "nodes/a/b", "/etc", "pve1" };
		AUTO_ERR struct err e = { 0 };
		AUTO_FREE char *node = NULL;

		CHECK_NUM(cluster_local_node(&tree, &node, &e), -ENOENT);
		CHECK_HAS(e.msg, "read link '/etc/pve/local'");
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			CHECK_NUM(shell(tree_dir, "ln -sfn %s etc/pve/local", bad[i]), 0);
			CHECK_NUM(cluster_local_node(&tree, &node, NULL), -EINVAL);
		}
		CHECK_NUM(shell(tree_dir, "ln -sfn nodes/pve1 etc/pve/local"), 0);
		CHECK_NUM(cluster_local_node(&tree, &node, NULL), 0);
		CHECK_STR(node, "pve1");
	}
}

static void test_guests(void)
{
	TEST("cluster_guests: VMs and containers of all nodes, by number") {
		AUTO_CLUSTER_GUESTS struct cluster_guests l = { 0 };

		tree_put("etc/pve/nodes/pve2/qemu-server/101.conf", "");
		tree_put("etc/pve/nodes/pve1/qemu-server/1000.conf", "");
		tree_put("etc/pve/nodes/pve1/lxc/100.conf", "");
		tree_put("etc/pve/nodes/pve1/qemu-server/99.conf", "");
		tree_put("etc/pve/nodes/pve1/qemu-server/0102.conf", "");
		tree_put("etc/pve/nodes/pve1/qemu-server/103.conf.tmp.12", "");
		tree_put("etc/pve/nodes/pve1/qemu-server/.conf", "");
		tree_put("etc/pve/nodes/old/pve-ssl.pem", "");
		CHECK_NUM(cluster_guests(&tree, &l, NULL), 0);
		CHECK_NUM(l.n, 3);
		CHECK_NUM(l.guests[0].vmid, 100);
		CHECK(l.guests[0].container);
		CHECK_NUM(l.guests[1].vmid, 101);
		CHECK_STR(l.guests[1].node, "pve2");
		CHECK(!l.guests[1].container);
		CHECK_NUM(l.guests[2].vmid, 1000);
		CHECK(cluster_guest(&l, 101) == &l.guests[1]);
		CHECK(!cluster_guest(&l, 102));
	}
}

static void test_vm_node(void)
{
	TEST("cluster_vm_node: the node of a VM; a container is none") {
		AUTO_FREE char *node = NULL;
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(cluster_vm_node(&tree, 101, &node, NULL), 0);
		CHECK_STR(node, "pve2");
		CHECK_NUM(cluster_vm_node(&tree, 102, &node, &e), -ENOENT);
		CHECK_STR(e.msg, "there is no VM 102 in the cluster");
		CHECK_NUM(cluster_vm_node(&tree, 100, &node, &e), -ENOENT);
		CHECK_STR(e.msg, "100 is no VM but a container, on node 'pve1'");
	}
}

static void test_quorate(void)
{
	TEST("cluster_quorate: follows the right to write that /etc/pve/nodes shows") {
		CHECK(cluster_quorate(&tree));
		CHECK_NUM(shell(tree_dir, "chmod 0555 etc/pve/nodes"), 0);
		CHECK(!cluster_quorate(&tree));
		CHECK_NUM(shell(tree_dir, "chmod 0755 etc/pve/nodes"), 0);
	}
}

int main(void)
{
	tree_begin();
	test_mounted();
	test_local_node();
	test_guests();
	test_vm_node();
	test_quorate();
	return tap_done();
}
