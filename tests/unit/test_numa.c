/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <limits.h>

#include "node.h"
#include "numa.h"

/* The CPUs of a list: how many, and the last one. */
static void check_cpus(const char *list, unsigned int count, unsigned int last)
{
	AUTO_FREE bool *set = xcalloc(NUMA_CPUS, sizeof(*set));
	unsigned int n = 0, at = 0;

	CHECK_NUM(numa_cpus_parse(list, set), 0);
	for (unsigned int i = 0; i < NUMA_CPUS; i++)
		if (set[i]) {
			n++;
			at = i;
		}
	CHECK_NUM(n, count);
	CHECK_NUM(at, last);
}

/* Three nodes (one without a number of its own in between), and a GPU on each, and one on none. */
#define NODES \
	"d=sys/devices/system/node; mkdir -p $d/node0 $d/node2 $d/node10 $d/power;" \
	"echo 0-7,16-23 > $d/node0/cpulist; echo 8-15 > $d/node2/cpulist; echo > $d/node10/cpulist;" \
	"echo 10 21 31 > $d/node0/distance; echo 21 10 17 > $d/node2/distance;" \
	"g() { mkdir -p sys/bus/pci/devices/0000:$1:00.0; echo $2 > sys/bus/pci/devices/0000:$1:00.0/numa_node; };" \
	"g 01 0; g 02 2; g 03 10; g 04 -1;"

static void gpus(struct inventory *inv)
{
	gpu_make(inv, "01:00.0", 0, NULL, 0);
	gpu_make(inv, "02:00.0", 0, NULL, 0);
	gpu_make(inv, "03:00.0", 0, NULL, 0);
	gpu_make(inv, "04:00.0", 0, NULL, 0);
}

/* The distances for a VM on these nodes and CPUs, on a tree that these commands have changed. */
static void check_bound(const char *commands, const char *hostnodes, const char *affinity,
			const unsigned int want[static 4])
{
	static const bool all[] = { true, true, true, true };
	struct tree t = tree_make(commands);
	AUTO_INVENTORY struct inventory inv = { 0 };

	gpus(&inv);
	numa_measure(&t.r, hostnodes, affinity, &inv, all);
	for (size_t i = 0; i < 4; i++)
		CHECK_NUM(inv.gpus[i].distance, want[i]);
	tree_free(&t);
}

/* The same with CPUs alone. */
static void check_distances(const char *commands, const char *affinity,
			    const unsigned int want[static 4])
{
	check_bound(commands, NULL, affinity, want);
}

static void test_cpus(void)
{
	TEST("numa_cpus_parse: takes numbers and ranges") {
		check_cpus("0", 1, 0);
		check_cpus("0-3,8", 5, 8);
		check_cpus(" 1 , 3-4 ", 3, 4);
		check_cpus("5,5,4-6", 3, 6);
		check_cpus("8190-100000", 2, 8191);
	}
	TEST("numa_cpus_parse: refuses what is no list") {
		static const char *const bad[] = { "", ",", "1,", "a", "3-1", "1-", "-1", "1-2-3", "0x1", "1 2", "all", "99999999999" };
		AUTO_FREE bool *set = xcalloc(NUMA_CPUS, sizeof(*set));

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK_NUM(numa_cpus_parse(bad[i], set), -EINVAL);
	}
}

static void test_table(void)
{
	TEST("numa_measure: by the kernel's table, whose columns are the nodes that are there") {
		check_distances(NODES, "0", (unsigned int[]){ 10, 21, 31, UINT_MAX });
		check_distances(NODES, "9", (unsigned int[]){ 21, 10, 17, UINT_MAX });
	}
	TEST("numa_measure: the node with most of the VM's CPUs weighs most") {
		check_distances(NODES, "0-2,8", (unsigned int[]){ 51, 73, 110, UINT_MAX });
	}
}

static void test_memory_and_cpus(void)
{
	TEST("numa_measure: from the nodes of the VM's memory, each the same") {
		check_bound(NODES, "0", NULL, (unsigned int[]){ 10, 21, 31, UINT_MAX });
		check_bound(NODES, "2", NULL, (unsigned int[]){ 21, 10, 17, UINT_MAX });
		check_bound(NODES, "0,2", NULL, (unsigned int[]){ 31, 31, 48, UINT_MAX });
		check_bound(NODES, "0-1", NULL, (unsigned int[]){ 10, 21, 31, UINT_MAX });
	}
	TEST("numa_measure: CPUs weigh the nodes of the memory, and stand behind them") {
		check_bound(NODES, "0,2", "9", (unsigned int[]){ 21, 10, 17, UINT_MAX });
		check_bound(NODES, "0,2", "0-2,8", (unsigned int[]){ 51, 73, 110, UINT_MAX });
		check_bound(NODES, "0", "9", (unsigned int[]){ 10, 21, 31, UINT_MAX });
		check_bound(NODES, "0", "0-3,9", (unsigned int[]){ 40, 84, 124, UINT_MAX });
	}
	TEST("numa_measure: nodes that are not here, or no list, leave it to the CPUs") {
		static const unsigned int none[4];

		check_bound(NODES, "7", "9", (unsigned int[]){ 21, 10, 17, UINT_MAX });
		check_bound(NODES, "-", "9", (unsigned int[]){ 21, 10, 17, UINT_MAX });
		check_bound(NODES, "100000", NULL, none);
		check_bound(NODES, NULL, NULL, none);
	}
}

static void test_no_table(void)
{
	TEST("numa_measure: without a table its own node is near and all others are far") {
		check_distances(NODES "rm $d/*/distance", "8", (unsigned int[]){ 20, 10, 20, UINT_MAX });
		check_distances(NODES "echo x y > $d/node2/distance", "8", (unsigned int[]){ 20, 20, 20, UINT_MAX });
	}
	TEST("numa_measure: nothing where there is one node, no such CPU, no list or no table of nodes") {
		static const unsigned int none[4];

		check_distances(NODES "rm -r $d/node2 $d/node10", "0", none);
		check_distances(NODES, "900", none);
		check_distances(NODES, "some", none);
		check_distances(NODES "rm -r sys/devices", "0", none);
		check_distances(NODES "rm $d/*/cpulist", "0", none);
	}
}

static void test_some_gpus(void)
{
	TEST("numa_measure: only the GPUs that are asked for; a file that is gone is no answer") {
		static const bool which[] = { true, false, true, false };
		struct tree t = tree_make(NODES "rm sys/bus/pci/devices/0000:03:00.0/numa_node");
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpus(&inv);
		numa_measure(&t.r, NULL, "0", &inv, which);
		CHECK_NUM(inv.gpus[0].distance, 10);
		CHECK_NUM(inv.gpus[1].distance, 0);
		CHECK_NUM(inv.gpus[2].distance, UINT_MAX);
		tree_free(&t);
	}
}

int main(void)
{
	test_cpus();
	test_table();
	test_memory_and_cpus();
	test_no_table();
	test_some_gpus();
	return tap_done();
}
