/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * vgpu-sim: mounts a simulated node's sysfs and returns when it is there.
 */
#include "fs.h"
#include "later.h"
#include "nodefile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: vgpu-sim [-f] NODE.json DIR\n"
	"Mounts the sysfs of the node that NODE.json describes at DIR.\n"
	"  -f  stay in the foreground\n"
	"Take it away with: fusermount3 -u DIR\n";

static int complain(const char *line)
{
	fprintf(stderr, "vgpu-sim: %s\n", line);
	return 1;
}

/* A test harness waits for whoever holds its own descriptors. */
static void close_inherited(void)
{
	long fd, max = sysconf(_SC_OPEN_MAX);

	if (max < 0 || max > 4096)
		max = 4096;
	for (fd = 3; fd < max; fd++)
		close((int)fd);
}

/* Root may always; others where /etc/fuse.conf lets them. */
static int may_allow_other(void)
{
	FILE *f;
	char line[256];
	int found = 0;

	if (!geteuid())
		return 1;
	f = fopen("/etc/fuse.conf", "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "user_allow_other", 16))
			found = 1;
	if (f)
		fclose(f);
	return found;
}

static struct fuse_session *make_session(const char *dir, struct err *e)
{
	char name[] = "vgpu-sim", type[] = "-osubtype=vgpu-sim,fsname=vgpu-sim";
	char other[] = "-oallow_other";
	char *argv[] = { name, type, other, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(may_allow_other() ? 3 : 2, argv);
	struct fuse_session *se;

	se = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), NULL);
	fuse_opt_free_args(&args);
	if (!se) {
		fail(e, "libfuse takes no session for %s", dir);
		return NULL;
	}
	if (!fuse_session_mount(se, dir))
		return se;
	fail(e, "mount at %s failed, see above", dir);
	fuse_session_destroy(se);
	return NULL;
}

static int serve(struct fuse_session *se, struct sim *sim, int foreground)
{
	struct fuse_loop_config config = { .clone_fd = 0, .max_idle_threads = 10 };

	if (fuse_set_signal_handlers(se))
		return complain("set signal handlers failed");
	/* The parent leaves here; threads are for the child alone. */
	if (fuse_daemonize(foreground))
		return complain("go to the background failed");
	if (later_start(sim))
		return complain("start a thread failed");
	fuse_session_loop_mt(se, &config);
	fuse_remove_signal_handlers(se);
	return 0;
}

static int run(const char *file, const char *dir, int foreground)
{
	static struct sim sim = { .lock = PTHREAD_MUTEX_INITIALIZER };
	char path[PATH_MAX];
	struct fuse_session *se;
	struct err e = { 0 };
	int rc;

	if (nodefile_load(file, &sim, &e))
		return complain(e.msg);
	if (!realpath(dir, path)) {
		fail(&e, "%s: %s", dir, strerror(errno));
		return complain(e.msg);
	}
	fs_init(&sim);
	se = make_session(path, &e);
	if (!se)
		return complain(e.msg);
	rc = serve(se, &sim, foreground);
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	return rc;
}

int main(int argc, char *argv[])
{
	int c, foreground = 0;

	while ((c = getopt(argc, argv, "fh")) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (c != 'f') {
			fputs(usage, stderr);
			return 2;
		}
		foreground = 1;
	}
	if (argc - optind != 2) {
		fputs(usage, stderr);
		return 2;
	}
	close_inherited();
	return run(argv[optind], argv[optind + 1], foreground);
}
