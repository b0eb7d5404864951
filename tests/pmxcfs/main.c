/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * pmxcfs-sim: mounts a cluster file system for each of its nodes, and returns
 * when all are there.
 */
#include "cluster.h"
#include "fs.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
	"usage: pmxcfs-sim NODE=DIR...\n"
	"Mounts a cluster file system, empty but for its nodes' directories, at each DIR.\n"
	"Take each away with: fusermount3 -u DIR. It ends with the last one.\n";

static int complain(const char *what, const char *on)
{
	fprintf(stderr, "pmxcfs-sim: %s '%s': %s\n", what, on, strerror(errno));
	return 1;
}

/* A test harness waits for whoever holds its own descriptors. */
static void close_inherited(void)
{
	long max = sysconf(_SC_OPEN_MAX);

	if (max < 0 || max > 4096)
		max = 4096;
	for (int fd = 3; fd < max; fd++)
		close(fd);
}

/* What pmxcfs and the first start of PVE make on each node */
static void make_directories(struct cluster *c, const char *node)
{
	static const char *const below[] = { "", "/lxc", "/qemu-server", "/openvz", "/priv" };
	struct change change = { .now = (uint32_t)time(NULL) };
	char path[PATH_MAX];

	tree_make(&c->tree, "priv", true, change);
	tree_make(&c->tree, "nodes", true, change);
	for (size_t i = 0; i < sizeof(below) / sizeof(*below); i++) {
		snprintf(path, sizeof(path), "nodes/%s%s", node, below[i]);
		tree_make(&c->tree, path, true, change);
	}
}

static struct fuse *mount_one(struct node *n, const char *dir)
{
	char name[] = "pmxcfs-sim", type[] = "-osubtype=pmxcfs-sim,fsname=pmxcfs-sim";
	char check[] = "-odefault_permissions", other[] = "-oallow_other";
	char *argv[] = { name, type, check, other, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(geteuid() ? 3 : 4, argv);
	struct fuse *fuse = fuse_new(&args, &fs_ops, sizeof(fs_ops), n);

	fuse_opt_free_args(&args);
	if (!fuse || !fuse_mount(fuse, dir))
		return fuse;
	fuse_destroy(fuse);
	return NULL;
}

static void *serve(void *arg)
{
	struct fuse_loop_config config = { .clone_fd = 0, .max_idle_threads = 10 };

	fuse_loop_mt(arg, &config);
	return NULL;
}

/* Until each mount has been taken away. */
static int serve_all(struct fuse **mounts, unsigned int n)
{
	pthread_t *threads = calloc(n, sizeof(*threads));

	if (!threads)
		return complain("start", "threads");
	for (unsigned int i = 0; i < n; i++) {
		errno = pthread_create(&threads[i], NULL, serve, mounts[i]);
		if (errno)
			return complain("start a thread for", "a mount");
	}
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		fuse_unmount(mounts[i]);
		fuse_destroy(mounts[i]);
	}
	free(threads);
	return 0;
}

static gid_t www_data(void)
{
	const struct group *g = getgrnam("www-data");

	if (geteuid())
		return getegid();
	return g ? g->gr_gid : 33;
}

/* "NODE=DIR": the name, cut off in place; *dir is the rest, made absolute. NULL where it is none. */
static const char *take_apart(char *arg, char *dir)
{
	char *equals = strchr(arg, '=');

	if (!equals || equals == arg)
		return NULL;
	*equals = '\0';
	return realpath(equals + 1, dir) ? arg : NULL;
}

static int run(unsigned int n, char *argv[])
{
	static struct cluster c = { .lock = PTHREAD_MUTEX_INITIALIZER, .quorate = true };
	struct fuse **mounts = calloc(n, sizeof(struct fuse *));
	char dir[PATH_MAX];

	c.tree.root.is_dir = true;
	c.uid = geteuid();
	c.gid = www_data();
	c.log = open_memstream(&c.log_text, &c.log_len);
	c.nnodes = n;
	c.nodes = calloc(n, sizeof(*c.nodes));
	if (!mounts || !c.log || !c.nodes)
		return complain("make room for", "nodes");
	for (unsigned int i = 0; i < n; i++) {
		c.nodes[i] = (struct node){ .number = i, .cluster = &c };
		c.nodes[i].name = take_apart(argv[i], dir);
		if (!c.nodes[i].name)
			return complain("read", argv[i]);
		make_directories(&c, c.nodes[i].name);
		mounts[i] = mount_one(&c.nodes[i], dir);
		if (!mounts[i])
			return complain("mount at", dir);
	}
	if (fuse_daemonize(0))
		return complain("go to", "the background");
	return serve_all(mounts, n);
}

int main(int argc, char *argv[])
{
	if (argc < 2 || argv[1][0] == '-') {
		fputs(usage, stderr);
		return 2;
	}
	close_inherited();
	return run((unsigned int)argc - 1, argv + 1);
}
