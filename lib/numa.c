/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "numa.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "parse.h"
#include "xalloc.h"

#define NODES		"sys/devices/system/node"
#define BLANKS		" \t"

/* What the kernel says of a node to itself and, without a table, to any other. */
#define NEAR		10
#define FAR		20

/* Above any sum of distances, and below none: a GPU whose node is not known comes last. */
#define UNKNOWN		UINT_MAX

static int parse_range(const char *s, size_t len, unsigned long *first, unsigned long *last)
{
	AUTO_FREE char *text = NULL;
	char *dash;

	while (len && strchr(BLANKS, *s))
		s++, len--;
	while (len && strchr(BLANKS, s[len - 1]))
		len--;
	text = xstrndup(s, len);
	dash = strchr(text, '-');
	if (dash)
		*dash++ = '\0';
	if (parse_ulong(text, 0, INT_MAX, first) < 0)
		return -EINVAL;
	*last = *first;
	return dash ? parse_ulong(dash, *first, INT_MAX, last) : 0;
}

int numa_cpus_parse(const char *list, bool set[static NUMA_CPUS])
{
	memset(set, 0, NUMA_CPUS * sizeof(*set));
	for (const char *s = list; ; s++) {
		size_t len = strcspn(s, ",");
		unsigned long first, last;

		if (parse_range(s, len, &first, &last) < 0)
			return -EINVAL;
		for (unsigned long i = first; i <= last && i < NUMA_CPUS; i++)
			set[i] = true;
		s += len;
		if (!*s)
			return 0;
	}
}

struct numa_node {
	unsigned long id;
	unsigned int weight;		/* CPUs of the VM's, or 1; 0: it is not on this node */
	unsigned long *distance;	/* to the nodes in order; NULL: not told */
	size_t n_distance;
};

struct numa {
	struct numa_node *nodes;	/* in order of their ids */
	size_t n;
};

static void numa_free(struct numa *n)
{
	for (size_t i = 0; i < n->n; i++)
		free(n->nodes[i].distance);
	free(n->nodes);
}

static int by_id(const void *a, const void *b)
{
	const struct numa_node *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void list_nodes(const struct root *r, struct numa *out)
{
	AUTO_STRLIST struct strlist names = { 0 };

	if (root_list(r, NODES, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		unsigned long id;

		if (strncmp(names.s[i], "node", 4) ||
		    parse_ulong(names.s[i] + 4, 0, INT_MAX, &id) < 0)
			continue;

		struct numa_node *node = GROW(out->nodes, out->n);

		node->id = id;
	}
	if (out->n)
		qsort(out->nodes, out->n, sizeof(*out->nodes), by_id);
}

static char *read_of_node(const struct root *r, const struct numa_node *node, const char *name)
{
	AUTO_FREE char *path = xasprintf(NODES "/node%lu/%s", node->id, name);
	char *text = NULL;

	return root_read_attr(r, path, &text, NULL) < 0 ? NULL : text;
}

/* How many of the VM's CPUs are on the node. A node of memory alone has an empty list. */
static void count_cpus(const struct root *r, const bool *vm, struct numa_node *node)
{
	AUTO_FREE char *list = read_of_node(r, node, "cpulist");
	AUTO_FREE bool *its = xcalloc(NUMA_CPUS, sizeof(*its));

	if (!list || numa_cpus_parse(list, its) < 0)
		return;
	for (size_t i = 0; i < NUMA_CPUS; i++)
		node->weight += vm[i] && its[i];
}

static void read_distances(const struct root *r, struct numa_node *node)
{
	AUTO_FREE char *text = read_of_node(r, node, "distance");
	char *save = NULL;

	for (char *s = text ? strtok_r(text, BLANKS, &save) : NULL; s;
	     s = strtok_r(NULL, BLANKS, &save)) {
		unsigned long d, *slot;

		if (parse_ulong(s, 0, UCHAR_MAX, &d) < 0)
			d = FAR;
		slot = GROW(node->distance, node->n_distance);
		*slot = d;
	}
}

static unsigned long between(const struct numa *n, const struct numa_node *from, size_t to)
{
	if (to < from->n_distance)
		return from->distance[to];
	return from == &n->nodes[to] ? NEAR : FAR;
}

/* Of all that the VM has together, so that the node with most of it weighs most. */
static unsigned int distance_to(const struct numa *n, unsigned long id)
{
	unsigned long sum = 0;

	for (size_t to = 0; to < n->n; to++) {
		if (n->nodes[to].id != id)
			continue;
		for (size_t i = 0; i < n->n; i++)
			if (n->nodes[i].weight)
				sum += n->nodes[i].weight * between(n, &n->nodes[i], to);
		return (unsigned int)sum;
	}
	return UNKNOWN;
}

/* "-1", or no file, where the firmware does not tell. */
static unsigned int distance_of_gpu(const struct root *r, const struct numa *n, const struct bdf *gpu)
{
	AUTO_FREE char *path = xasprintf("sys/bus/pci/devices/%s/numa_node", BDF_STR(gpu));
	unsigned long id;

	return root_read_number(r, path, &id, NULL) < 0 ? UNKNOWN : distance_to(n, id);
}

static bool is_placed(const struct numa *n)
{
	for (size_t i = 0; i < n->n; i++)
		if (n->nodes[i].weight)
			return true;
	return false;
}

static void place_by_cpus(const struct root *r, const char *affinity, struct numa *n)
{
	AUTO_FREE bool *cpus = xcalloc(NUMA_CPUS, sizeof(*cpus));

	if (numa_cpus_parse(affinity, cpus) < 0)
		return;
	for (size_t i = 0; i < n->n; i++)
		count_cpus(r, cpus, &n->nodes[i]);
}

/* Keep what is on the nodes of the list; where nothing is, each of them counts the same. */
static void place_on_nodes(const char *hostnodes, struct numa *n)
{
	AUTO_FREE bool *on = xcalloc(NUMA_CPUS, sizeof(*on));
	bool any = false, weighed = false;

	if (numa_cpus_parse(hostnodes, on) < 0)
		return;
	for (size_t i = 0; i < n->n; i++) {
		bool its = n->nodes[i].id < NUMA_CPUS && on[n->nodes[i].id];

		any |= its;
		weighed |= its && n->nodes[i].weight;
	}
	for (size_t i = 0; i < n->n && any; i++) {
		bool its = n->nodes[i].id < NUMA_CPUS && on[n->nodes[i].id];

		if (!its)
			n->nodes[i].weight = 0;
		else if (!weighed)
			n->nodes[i].weight = 1;
	}
}

void numa_measure(const struct root *r, const char *hostnodes, const char *affinity,
		  struct inventory *inv, const bool *which)
{
	__attribute__((cleanup(numa_free))) struct numa n = { 0 };

	list_nodes(r, &n);
	if (n.n < 2)
		return;
	if (affinity)
		place_by_cpus(r, affinity, &n);
	if (hostnodes)
		place_on_nodes(hostnodes, &n);
	if (!is_placed(&n))
		return;
	for (size_t i = 0; i < n.n; i++)
		if (n.nodes[i].weight)
			read_distances(r, &n.nodes[i]);
	for (size_t i = 0; i < inv->ngpus; i++)
		if (which[i])
			inv->gpus[i].distance = distance_of_gpu(r, &n, &inv->gpus[i].addr);
}
