/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A random life of twenty VMs on a mounted simulated node, with what must hold
 * looked at after every step. It knows of pve-vgpu what an admin can see: its
 * commands, the run states, PVE's reservations and sysfs.
 *
 *	random ROOT PROGRAM SEED STEPS
 *
 * ROOT/sys is the mount, ROOT/etc and the rest are there (tests/bats/helper.bash,
 * node). What is tested follows from the node: with a mdev bus it is that, else
 * vendor VFIO. The same SEED takes the same steps; only the moments at which
 * processes are killed differ. Exit 0: all held; 1: something did not, and the
 * last steps and the state are printed; 2: the test itself failed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NVMS		20
#define FIRST_VMID	100
#define MAX_VFS		1024
#define MAX_VGPUS	256
#define MAX_STATES	64
#define MAX_LOG		40
#define GRACE_S		100
#define AGE_S		150
#define HOOK_LIMIT_MS	30000	/* no step may take longer */

struct place {
	char uuid[40];		/* empty on vendor VFIO */
	char parent[16];
	int type;
	bool created;		/* of a record: as the record says */
};

struct state {			/* one run state */
	int vmid;		/* 0: standalone */
	char id[64];
	long long claimed_ms;
	bool ran;		/* its QEMU was seen */
	struct place p[2];
	int n;
};

struct world {
	struct place vgpu[MAX_VGPUS];
	int nvgpus;
	struct state state[MAX_STATES];
	int nstates;
};

enum status { OFF, STARTING, RUNNING };

static struct vm {
	int vmid;
	enum status st;
	struct place p[2];	/* what the last start that succeeded gave it */
	int wants;
	int lock_fd;		/* PVE's, through a start that goes on */
} vms[NVMS];

static struct vf {
	char addr[16], pf[16];
	int current_fd;
} vfs[MAX_VFS];

static struct place foreign[8];
static int nforeign, nvfs;
static const char *root, *program;
static bool mdev;
static uint64_t seed_state;
static unsigned long seed;
static int step_no;
static char steps[MAX_LOG][200];
static char output[8192];	/* of the last command */
static struct world before, now;
static unsigned int counted[64];

/* --- small words -------------------------------------------------------- */

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "random: seed %lu, step %d: %s: %s\n", seed, step_no, what, strerror(errno));
	exit(2);
}

__attribute__((format(printf, 1, 2))) static char *text(const char *fmt, ...)
{
	static char buf[64][PATH_MAX];
	static int at;
	char *s = buf[at++ % 64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s, PATH_MAX, fmt, ap);
	va_end(ap);
	return s;
}

static long long ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void nap(int n)
{
	struct timespec t = { n / 1000, n % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

/* xorshift64*: the same everywhere. */
static unsigned int rnd(unsigned int below)
{
	seed_state ^= seed_state >> 12;
	seed_state ^= seed_state << 25;
	seed_state ^= seed_state >> 27;
	return (unsigned int)((seed_state * 2685821657736338717ULL) >> 33) % below;
}

static bool put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0644);
	bool ok = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	if (fd >= 0)
		close(fd);
	return ok;
}

static void must_put(const char *path, const char *value)
{
	if (!put(path, value))
		die(path);
}

static bool get(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

static char *base_of_link(const char *path)
{
	char *target = text("%s", "");
	ssize_t n = readlink(path, target, PATH_MAX - 1);
	char *slash;

	if (n < 0)
		return NULL;
	target[n] = '\0';
	slash = strrchr(target, '/');
	return slash ? slash + 1 : target;
}

static void control(const char *file, const char *value)
{
	must_put(text("%s/sys/.sim/%s", root, file), value);
}

/* --- what is there ------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct vf *)a)->addr, ((const struct vf *)b)->addr);
}

static void find_vfs(void)
{
	DIR *d = opendir(text("%s/sys/bus/pci/devices", root));
	struct dirent *entry;

	if (!d)
		die("list the PCI devices");
	while ((entry = readdir(d))) {
		struct vf *vf = &vfs[nvfs];
		char *pf = base_of_link(text("%s/sys/bus/pci/devices/%s/physfn", root, entry->d_name));

		if (!pf)
			continue;
		snprintf(vf->addr, sizeof(vf->addr), "%.15s", entry->d_name);
		snprintf(vf->pf, sizeof(vf->pf), "%.15s", pf);
		vf->current_fd = -1;
		if (++nvfs == MAX_VFS)
			break;
	}
	closedir(d);
	if (!nvfs)
		die("the node has no VFs");
	qsort(vfs, (size_t)nvfs, sizeof(*vfs), by_name);
	mdev = access(text("%s/sys/bus/pci/devices/%s/mdev_supported_types", root, vfs[0].addr), F_OK) == 0;
	for (int i = 0; i < nvfs && !mdev; i++) {
		vfs[i].current_fd = open(text("%s/sys/bus/pci/devices/%s/nvidia/current_vgpu_type",
					      root, vfs[i].addr), O_RDONLY | O_CLOEXEC);
		if (vfs[i].current_fd < 0)
			die("open current_vgpu_type");
	}
}

static const char *pf_of(const char *addr)
{
	for (int i = 0; i < nvfs; i++)
		if (!strcmp(vfs[i].addr, addr))
			return vfs[i].pf;
	return "";
}

static void look_at_mdevs(struct world *w)
{
	DIR *d = opendir(text("%s/sys/bus/mdev/devices", root));
	struct dirent *entry;

	if (!d)
		die("list the mdevs");
	while ((entry = readdir(d))) {
		struct place *p = &w->vgpu[w->nvgpus];
		char link[PATH_MAX], *slash, *type;
		ssize_t n;

		if (strlen(entry->d_name) != 36)
			continue;
		n = readlink(text("%s/sys/bus/mdev/devices/%s", root, entry->d_name), link, sizeof(link) - 1);
		type = base_of_link(text("%s/sys/bus/mdev/devices/%s/mdev_type", root, entry->d_name));
		if (n < 0 || !type)
			continue;	/* the driver has just taken it away */
		link[n] = '\0';
		*strrchr(link, '/') = '\0';
		slash = strrchr(link, '/');
		snprintf(p->uuid, sizeof(p->uuid), "%.36s", entry->d_name);
		snprintf(p->parent, sizeof(p->parent), "%.15s", slash + 1);
		p->type = atoi(strrchr(type, '-') + 1);
		w->nvgpus++;
	}
	closedir(d);
}

static void look_at_vfs(struct world *w)
{
	for (int i = 0; i < nvfs; i++) {
		struct place *p = &w->vgpu[w->nvgpus];
		char buf[32];
		ssize_t n = pread(vfs[i].current_fd, buf, sizeof(buf) - 1, 0);

		if (n <= 0)
			die("read current_vgpu_type");
		buf[n] = '\0';
		p->type = atoi(buf);
		*p->uuid = '\0';
		memcpy(p->parent, vfs[i].addr, sizeof(p->parent));
		w->nvgpus += p->type != 0;
	}
}

/* The string or number behind "key": in JSON as json-c prints it. */
static const char *field(const char *from, const char *end, const char *key, char *out, size_t size)
{
	const char *at = strstr(from, text("\"%s\":", key));

	*out = '\0';
	if (!at || at >= end)
		return NULL;
	at += strlen(key) + 3;
	at += strspn(at, " \"");
	snprintf(out, size, "%.*s", (int)strcspn(at, "\",\n} "), at);
	return at;
}

static void read_state(struct world *w, const char *path, int vmid, const char *id)
{
	struct state *s = &w->state[w->nstates];
	char buf[8192], value[64];
	const char *at, *end;

	if (!get(path, buf, sizeof(buf)))
		die(path);
	*s = (struct state){ .vmid = vmid };
	snprintf(s->id, sizeof(s->id), "%s", id);
	end = buf + strlen(buf);
	field(buf, end, "claimed_ms", value, sizeof(value));
	s->claimed_ms = atoll(value);
	field(buf, end, "phase", value, sizeof(value));
	s->ran = !strcmp(value, "running");
	for (at = buf; (at = strstr(at, "\"gpu\":")) && s->n < 2; at++) {
		struct place *p = &s->p[s->n++];
		const char *stop = strchr(at, '}');

		*p = (struct place){ .type = 0 };
		field(at, stop, "parent", p->parent, sizeof(p->parent));
		field(at, stop, "type", value, sizeof(value));
		p->type = *value ? atoi(strrchr(value, '-') + 1) : 0;
		field(at, stop, "uuid", p->uuid, sizeof(p->uuid));
		if (!strcmp(p->uuid, "null"))
			*p->uuid = '\0';
		field(at, stop, "created", value, sizeof(value));
		p->created = !strcmp(value, "true");
	}
	w->nstates++;
}

static void look_at_states(struct world *w, const char *sub, bool standalone)
{
	char dir[PATH_MAX];
	DIR *d;
	struct dirent *entry;

	snprintf(dir, sizeof(dir), "%s/run/pve-vgpu%s", root, sub);
	d = opendir(dir);
	while (d && (entry = readdir(d))) {
		char *dot = strrchr(entry->d_name, '.');
		char name[64], path[PATH_MAX + 300];

		if (entry->d_name[0] == '.' || !dot || strcmp(dot, ".json"))
			continue;
		if (w->nstates == MAX_STATES)
			die("too many run states");
		snprintf(name, sizeof(name), "%.*s", (int)(dot - entry->d_name), entry->d_name);
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		read_state(w, path, standalone ? 0 : atoi(name), name);
	}
	if (d)
		closedir(d);
}

static void look(struct world *w)
{
	w->nvgpus = w->nstates = 0;
	if (mdev)
		look_at_mdevs(w);
	else
		look_at_vfs(w);
	look_at_states(w, "", false);
	look_at_states(w, "/standalone", true);
}

static const struct state *state_of(const struct world *w, int vmid)
{
	for (int i = 0; i < w->nstates; i++)
		if (w->state[i].vmid == vmid && vmid)
			return &w->state[i];
	return NULL;
}

static bool same(const struct place *a, const struct place *b)
{
	return a->type == b->type && !strcmp(a->parent, b->parent) && !strcmp(a->uuid, b->uuid);
}

static bool is_there(const struct world *w, const struct place *p)
{
	for (int i = 0; i < w->nvgpus; i++)
		if (same(&w->vgpu[i], p))
			return true;
	return false;
}

static bool is_foreign(const struct place *p)
{
	for (int i = 0; i < nforeign; i++)
		if (same(&foreign[i], p))
			return true;
	return false;
}

static bool is_recorded(const struct world *w, const struct place *p)
{
	for (int i = 0; i < w->nstates; i++)
		for (int k = 0; k < w->state[i].n; k++)
			if (same(&w->state[i].p[k], p))
				return true;
	return false;
}

static const char *show(const struct place *p)
{
	return text("%d on %s%s%s", p->type, p->parent, *p->uuid ? " " : "", p->uuid);
}

/* --- saying what went wrong --------------------------------------------- */

static _Noreturn void broken(const char *what)
{
	int first = step_no >= MAX_LOG ? step_no - MAX_LOG + 1 : 0;

	printf("seed %lu, step %d: %s\n", seed, step_no, what);
	printf("repeat it with SEED=%lu; the steps before:\n", seed);
	for (int i = first; i <= step_no; i++)
		printf("  %3d %s\n", i, steps[i % MAX_LOG]);
	printf("the last command said:\n%s\nvGPUs:\n", output);
	for (int i = 0; i < now.nvgpus; i++)
		printf("  %s%s\n", show(&now.vgpu[i]), is_foreign(&now.vgpu[i]) ? " (foreign)" : "");
	printf("run states:\n");
	for (int i = 0; i < now.nstates; i++)
		for (int k = 0; k < now.state[i].n; k++)
			printf("  %s: %s%s, %lld s old\n", now.state[i].id, show(&now.state[i].p[k]),
			       now.state[i].p[k].created ? "" : " (claimed)",
			       (ms() - now.state[i].claimed_ms) / 1000);
	printf("VMs:");
	for (int i = 0; i < NVMS; i++)
		printf(" %d %s", vms[i].vmid, vms[i].st == OFF ? "off" : vms[i].st == RUNNING ?
		       "running" : "starting");
	printf("\n");
	exit(1);
}

__attribute__((format(printf, 1, 2))) static void note(const char *fmt, ...)
{
	char *s = steps[step_no % MAX_LOG];
	size_t len = strlen(s);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s + len, sizeof(steps[0]) - len, fmt, ap);
	va_end(ap);
}

/* --- commands ----------------------------------------------------------- */

static pid_t spawn(const char *a, const char *b)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		int fd = open(text("%s/output", root), O_WRONLY | O_CREAT | O_APPEND, 0644);

		dup2(fd, 1);
		dup2(fd, 2);
		execl(program, program, "--root", root, a, b, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void clear_output(void)
{
	must_put(text("%s/output", root), "");
}

static int reap(pid_t pid)
{
	long long end = ms() + HOOK_LIMIT_MS;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (ms() > end) {
			kill(pid, SIGKILL);
			get(text("%s/output", root), output, sizeof(output));
			broken("the command hangs");
		}
		nap(1);
	}
	get(text("%s/output", root), output, sizeof(output));
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		broken(text("the command died of signal %d", WTERMSIG(status)));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(const char *a, const char *b)
{
	int rc;

	clear_output();
	rc = reap(spawn(a, b));
	note(" = %d", rc);
	return rc;
}

static int hook(const struct vm *vm, const char *phase)
{
	note(" %d %s", vm->vmid, phase);
	return run(text("%d", vm->vmid), phase);
}

/* --- QEMU --------------------------------------------------------------- */

static const char *device_path(const struct place *p)
{
	return *p->uuid ? text("%s/sys/bus/mdev/devices/%s", root, p->uuid) :
		text("%s/sys/bus/pci/devices/%s", root, p->parent);
}

static const char *device_name(const struct place *p)
{
	return *p->uuid ? p->uuid : p->parent;
}

static void open_vgpu(int pid, int fd, const struct place *p)
{
	const char *dev = device_path(p);
	char *group = base_of_link(text("%s/iommu_group", dev));

	if (!group)
		broken(text("%s has no IOMMU group for QEMU to open", show(p)));
	control("open", text("%s yes", device_name(p)));
	if (symlink(text("/dev/vfio/%s", group), text("%s/proc/%d/fd/%d", root, pid, fd)) < 0)
		die("link a descriptor");
}

static int qemu_pid(const struct vm *vm)
{
	return 400000 + vm->vmid;
}

static void make_proc(int pid)
{
	mkdir(text("%s/proc/%d", root, pid), 0755);
	mkdir(text("%s/proc/%d/fd", root, pid), 0755);
}

static void qemu_begins(const struct vm *vm)
{
	int pid = qemu_pid(vm);
	char *line = text("/usr/bin/kvm%c-id%c%d%c-pidfile%c/var/run/qemu-server/%d.pid%c-daemonize%c",
			  1, 1, vm->vmid, 1, 1, vm->vmid, 1, 1);
	size_t len = strlen(line);
	int fd;

	make_proc(pid);
	for (size_t i = 0; i < len; i++)
		if (line[i] == 1)
			line[i] = '\0';
	fd = open(text("%s/proc/%d/cmdline", root, pid), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, len) != (ssize_t)len)
		die("write a command line");
	close(fd);
	must_put(text("%s/run/qemu-server/%d.pid", root, vm->vmid), text("%d\n", pid));
	for (int i = 0; i < vm->wants; i++)
		open_vgpu(pid, 20 + i, &vm->p[i]);
}

static void qemu_ends(const struct vm *vm)
{
	int pid = qemu_pid(vm);

	for (int i = 0; i < vm->wants; i++) {
		control("open", text("%s no", device_name(&vm->p[i])));
		unlink(text("%s/proc/%d/fd/%d", root, pid, 20 + i));
	}
	unlink(text("%s/proc/%d/cmdline", root, pid));
	rmdir(text("%s/proc/%d/fd", root, pid));
	rmdir(text("%s/proc/%d", root, pid));
	unlink(text("%s/run/qemu-server/%d.pid", root, vm->vmid));
}

static void pve_lock(struct vm *vm)
{
	vm->lock_fd = open(text("%s/run/lock/qemu-server/lock-%d.conf", root, vm->vmid),
			   O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (vm->lock_fd < 0 || flock(vm->lock_fd, LOCK_EX | LOCK_NB) < 0)
		die("take PVE's lock");
}

static void pve_unlock(struct vm *vm)
{
	close(vm->lock_fd);
	vm->lock_fd = -1;
}

/* --- what must hold ----------------------------------------------------- */

static bool is_old(const struct state *s, int slack_s)
{
	return ms() - s->claimed_ms >= (GRACE_S + slack_s) * 1000LL;
}

static const struct vm *vm_of(int vmid)
{
	return vmid >= FIRST_VMID && vmid < FIRST_VMID + NVMS ? &vms[vmid - FIRST_VMID] : NULL;
}

static void check_states(void)
{
	for (int i = 0; i < now.nstates; i++)
		for (int k = 0; k < now.state[i].n; k++) {
			const struct place *p = &now.state[i].p[k];

			if (is_foreign(p) && p->created)
				broken(text("%s has the foreign vGPU %s on record", now.state[i].id, show(p)));
			for (int m = i; m < now.nstates; m++)
				for (int q = m == i ? k + 1 : 0; q < now.state[m].n; q++)
					if (!strcmp(now.state[m].p[q].parent, p->parent))
						broken(text("%s and %s have both %s on record", now.state[i].id,
							    now.state[m].id, p->parent));
		}
}

static void check_vms(void)
{
	for (int i = 0; i < NVMS; i++) {
		const struct state *s = state_of(&now, vms[i].vmid);

		for (int k = 0; k < vms[i].wants && vms[i].st != OFF; k++) {
			const struct place *p = &vms[i].p[k];
			bool on_record = false;

			if (!is_there(&now, p))
				broken(text("vm %d has lost its vGPU %s", vms[i].vmid, show(p)));
			for (int m = 0; s && m < s->n; m++)
				on_record |= same(&s->p[m], p);
			if (!on_record)
				broken(text("vm %d's %s is not on record", vms[i].vmid, show(p)));
		}
	}
}

static void check_reservations(void)
{
	char buf[16384], *save = NULL;

	if (mdev)
		return;
	get(text("%s/run/qemu-server/pci-id-reservations", root), buf, sizeof(buf));
	for (int i = 0; i < NVMS; i++)
		for (int k = 0; k < vms[i].wants && vms[i].st == RUNNING; k++)
			if (!strstr(buf, text("%s %d pid:%d\n", vms[i].p[k].parent, vms[i].vmid,
					      qemu_pid(&vms[i]))))
				broken(text("%s is not reserved for vm %d's QEMU", vms[i].p[k].parent,
					    vms[i].vmid));
	for (char *line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		for (int i = 0; i < nforeign; i++)
			if (!strncmp(line, foreign[i].parent, strlen(foreign[i].parent)) &&
			    strstr(line, " pid:"))
				broken(text("the foreign vGPU is reserved: %s", line));
}

/* It ran, and what it had was gone before this step: there was nothing to lose. */
static bool is_spent(const struct state *s)
{
	for (int k = 0; k < s->n; k++)
		if (is_there(&before, &s->p[k]))
			return false;
	return s->ran;
}

/* What vanished from the records was nobody's that lives: none but the step's own VMs may lose anything. */
static void check_bystanders(unsigned int own)
{
	for (int i = 0; i < before.nstates; i++) {
		const struct state *s = &before.state[i], *left = state_of(&now, s->vmid);
		const struct vm *vm = vm_of(s->vmid);

		if (!vm || own & 1u << (vm - vms) || left)
			continue;
		if (vm->st != OFF)
			broken(text("the record of vm %d is gone, which is not off", s->vmid));
		if (!is_old(s, -1) && !is_spent(s))
			broken(text("the record of vm %d is gone, which began to start %lld s ago", s->vmid,
				    (ms() - s->claimed_ms) / 1000));
	}
}

static void check(unsigned int own)
{
	look(&now);
	for (int i = 0; i < nforeign; i++)
		if (!is_there(&now, &foreign[i]))
			broken(text("the foreign vGPU %s is gone", show(&foreign[i])));
	for (int i = 0; i < now.nvgpus; i++)
		if (!is_foreign(&now.vgpu[i]) && !is_recorded(&now, &now.vgpu[i]))
			broken(text("%s is on no record", show(&now.vgpu[i])));
	check_states();
	check_vms();
	check_reservations();
	check_bystanders(own);
}

/* Whether one more vGPU of 24 or 12 GiB would fit by NVIDIA's rules, claims counted. */
static bool has_room(const struct world *w, bool half)
{
	for (int i = 0; i < nvfs; i++) {
		int count = 0;
		bool other = false;

		if (i && !strcmp(vfs[i].pf, vfs[i - 1].pf))
			continue;
		for (int k = 0; k < w->nvgpus; k++)
			if (!strcmp(pf_of(w->vgpu[k].parent), vfs[i].pf)) {
				count++;
				other |= (w->vgpu[k].type == 563) != half;
			}
		for (int k = 0; k < w->nstates; k++)
			for (int m = 0; m < w->state[k].n; m++) {
				const struct place *p = &w->state[k].p[m];

				if (strcmp(pf_of(p->parent), vfs[i].pf) || is_there(w, p))
					continue;
				other |= (p->type == 563) != half;
				count++;
			}
		if (!other && count < (half ? 4 : 2))
			return true;
	}
	return false;
}

/* --- the steps ---------------------------------------------------------- */

static unsigned int bit(const struct vm *vm)
{
	return 1u << (vm - vms);
}

static bool wants_half(const struct vm *vm)
{
	return vm->vmid % 10 == 7;
}

static bool type_fits(const struct vm *vm, int type)
{
	if (wants_half(vm))
		return type == 563 || type == 575;
	return type == (vm->vmid % 10 >= 5 ? 565 : 575);
}

/* After a pre-start that succeeded: what the record says, and that it is there. */
static void take_places(struct vm *vm)
{
	const struct state *s;

	look(&now);
	s = state_of(&now, vm->vmid);
	if (!s || s->n != vm->wants)
		broken(text("vm %d has started, and %d vGPUs are on record", vm->vmid, s ? s->n : 0));
	for (int i = 0; i < s->n; i++) {
		if (!type_fits(vm, s->p[i].type))
			broken(text("vm %d got %s", vm->vmid, show(&s->p[i])));
		if (!is_there(&now, &s->p[i]))
			broken(text("vm %d has started, and %s is not there", vm->vmid, show(&s->p[i])));
		if (is_foreign(&s->p[i]))
			broken(text("vm %d was given the foreign %s", vm->vmid, show(&s->p[i])));
		vm->p[i] = s->p[i];
	}
}

/* A start that failed left nothing new, and failed for a reason. */
static void start_failed(const struct vm *vm, int rc, bool faulty)
{
	const struct state *had = state_of(&before, vm->vmid), *has;

	look(&now);
	has = state_of(&now, vm->vmid);
	if (rc != 1)
		broken(text("pre-start of vm %d gave %d", vm->vmid, rc));
	/* What the driver would not let be taken back stays on record, and that is said. */
	if (has && (!had || has->n > had->n) &&
	    !(faulty && strstr(output, "is left for `pve-vgpu gc`")))
		broken(text("the failed start of vm %d left a record", vm->vmid));
	if (faulty)
		return;
	if (!strstr(output, "no GPU of this node has room"))
		broken(text("the start of vm %d failed without a fault", vm->vmid));
	if (vm->wants == 1 && has_room(&now, wants_half(vm)))
		broken(text("vm %d was refused, and there is room", vm->vmid));
}

static bool pre_start(struct vm *vm, bool faulty)
{
	int rc;

	pve_lock(vm);
	rc = hook(vm, "pre-start");
	if (faulty)
		control("fault", "clear");
	if (rc == 0)
		take_places(vm);
	else
		start_failed(vm, rc, faulty);
	if (rc != 0)
		pve_unlock(vm);
	else
		vm->st = STARTING;
	return rc == 0;
}

static void finish_start(struct vm *vm)
{
	int rc;

	qemu_begins(vm);
	vm->st = RUNNING;
	rc = hook(vm, "post-start");
	pve_unlock(vm);
	if (rc)
		broken(text("post-start of vm %d gave %d", vm->vmid, rc));
}

static void abort_start(struct vm *vm)
{
	vm->st = OFF;
	pve_unlock(vm);
}

static struct vm *pick(enum status st)
{
	int at = (int)rnd(NVMS);

	for (int i = 0; i < NVMS; i++)
		if (vms[(at + i) % NVMS].st == st)
			return &vms[(at + i) % NVMS];
	return NULL;
}

static void expect_gone(const struct vm *vm, int rc)
{
	look(&now);
	if (rc || state_of(&now, vm->vmid))
		broken(text("post-stop of vm %d gave %d and left %s", vm->vmid, rc,
			    state_of(&now, vm->vmid) ? "a record" : "no record"));
	for (int i = 0; i < vm->wants; i++)
		if (is_there(&now, &vm->p[i]))
			broken(text("vm %d has stopped, and %s is still there", vm->vmid, show(&vm->p[i])));
}

static unsigned int do_start(void)
{
	struct vm *vm = pick(OFF);

	if (!vm)
		return 0;
	if (pre_start(vm, false))
		finish_start(vm);
	return bit(vm);
}

static unsigned int do_begin(void)
{
	struct vm *vm = pick(OFF);

	if (!vm)
		return 0;
	pre_start(vm, false);
	return bit(vm);
}

static unsigned int do_go_on(void)
{
	struct vm *vm = pick(STARTING);

	if (!vm)
		return 0;
	if (rnd(4)) {
		finish_start(vm);
	} else {
		note(" %d never opens", vm->vmid);
		abort_start(vm);
	}
	return bit(vm);
}

static unsigned int do_qemu_fails(void)
{
	struct vm *vm = pick(OFF);

	if (!vm)
		return 0;
	if (pre_start(vm, false))
		abort_start(vm);
	return bit(vm);
}

static unsigned int stop(bool pre_stop, const char *selfclean)
{
	struct vm *vm = pick(RUNNING);

	if (!vm)
		return 0;
	if (pre_stop && hook(vm, "pre-stop"))
		broken("pre-stop failed");
	for (int i = 0; selfclean && i < vm->wants; i++)
		control("selfclean", text("%s %s", device_name(&vm->p[i]), selfclean));
	vm->st = OFF;
	qemu_ends(vm);
	if (selfclean)
		nap((int)rnd(20));
	expect_gone(vm, hook(vm, "post-stop"));
	if (selfclean)
		control("selfclean", "clear");
	return bit(vm);
}

static unsigned int do_stop(void)
{
	return stop(true, NULL);
}

static unsigned int do_poweroff(void)
{
	return stop(false, NULL);
}

static unsigned int do_selfclean(void)
{
	return stop(rnd(2), text("%u", rnd(20)));
}

static unsigned int do_qemu_killed(void)
{
	struct vm *vm = pick(RUNNING);

	if (!vm)
		return 0;
	note(" %d", vm->vmid);
	vm->st = OFF;
	qemu_ends(vm);
	return bit(vm);
}

static void slow_down(void)
{
	static const char *const patterns[2][4] = {
		{ "*/current_vgpu_type 60", "*/creatable_vgpu_types 60", "*/nvidia/* 30", "*/current_vgpu_type 15" },
		{ "*/create 60", "*/available_instances 60", "*nvidia-5* 30", "*/remove 60" },
	};

	control("delay", patterns[mdev][rnd(4)]);
}

static void kill_soon(pid_t pid)
{
	unsigned int after = rnd(160);

	nap((int)after);
	kill(pid, SIGKILL);
	note(" kill -9 after %u ms = %d", after, reap(pid));
	control("delay", "clear");
}

static unsigned int do_crash_start(void)
{
	struct vm *vm = pick(OFF);

	if (!vm)
		return 0;
	slow_down();
	note(" %d pre-start", vm->vmid);
	clear_output();
	kill_soon(spawn(text("%d", vm->vmid), "pre-start"));
	return bit(vm);
}

static unsigned int do_crash_stop(void)
{
	struct vm *vm = pick(RUNNING);

	if (!vm)
		return 0;
	vm->st = OFF;
	qemu_ends(vm);
	slow_down();
	note(" %d post-stop", vm->vmid);
	clear_output();
	kill_soon(spawn(text("%d", vm->vmid), "post-stop"));
	return bit(vm);
}

static unsigned int do_crash_gc(void)
{
	slow_down();
	clear_output();
	kill_soon(spawn("gc", NULL));
	return 1u << 31;
}

/* Twice, late, or without the others; never between a start and its QEMU, where PVE's lock keeps it out. */
static unsigned int do_odd_phase(void)
{
	static const char *const phases[] = { "pre-start", "post-start", "pre-stop", "post-stop" };
	struct vm *vm = pick(rnd(2) ? OFF : RUNNING);
	const char *phase = phases[rnd(4)];
	int rc;

	if (!vm)
		return 0;
	rc = hook(vm, phase);
	if (rc < 0 || rc > 1)
		broken(text("%s gave %d", phase, rc));
	if (vm->st == RUNNING && !strcmp(phase, "pre-start") && rc)
		broken("a second pre-start of a running VM failed");
	if (vm->st == RUNNING && !strcmp(phase, "post-start") && rc)
		broken("a second post-start failed");
	look(&now);
	if (vm->st == OFF && !strcmp(phase, "post-stop") && (rc || state_of(&now, vm->vmid)))
		broken("a late post-stop did not clear what was left");
	return bit(vm);
}

static unsigned int do_gc(void)
{
	if (run("gc", NULL))
		broken("gc failed");
	look(&now);
	for (int i = 0; i < now.nstates; i++) {
		const struct vm *vm = vm_of(now.state[i].vmid);

		if (vm && vm->st == OFF && is_old(&now.state[i], 1))
			broken(text("gc has left the dead vm %d", now.state[i].vmid));
	}
	return 1u << 31;
}

/* claimed_ms of a record, that much earlier. */
static void age(const char *path)
{
	char buf[8192], value[64];
	const char *at;
	long long then;

	if (!get(path, buf, sizeof(buf)))
		die(path);
	at = field(buf, buf + strlen(buf), "claimed_ms", value, sizeof(value));
	if (!at)
		die("a record without claimed_ms");
	then = atoll(value) - AGE_S * 1000LL;
	must_put(text("%s.new", path), text("%.*s%lld%s", (int)(at - buf), buf, then > 0 ? then : 0,
					    at + strlen(value)));
	if (rename(text("%s.new", path), path) < 0)
		die("replace a record");
}

static void age_vm(int vmid)
{
	age(text("%s/run/pve-vgpu/%d.json", root, vmid));
}

static unsigned int do_age(void)
{
	int at = (int)rnd(MAX_STATES);

	look(&now);
	for (int i = 0; i < now.nstates; i++) {
		const struct state *s = &now.state[(at + i) % now.nstates];

		if (!s->vmid)
			continue;
		note(" %d", s->vmid);
		age_vm(s->vmid);
		return 1u << 31;
	}
	return 0;
}

static int count_standalone(const struct world *w)
{
	int n = 0;

	for (int i = 0; i < w->nstates; i++)
		n += !w->state[i].vmid;
	return n;
}

static unsigned int do_create(void)
{
	const char *type = rnd(3) ? "A40-24A" : "A40-12Q";
	int had = count_standalone(&before), rc;

	if (had >= 3)
		return 0;
	note(" %s", type);
	rc = run("create", type);
	look(&now);
	if (rc == 0 ? count_standalone(&now) != had + 1 : rc != 1 || count_standalone(&now) != had)
		broken(text("create gave %d, and %d of %d standalone vGPUs are on record", rc,
			    count_standalone(&now), had));
	if (rc && has_room(&now, !strcmp(type, "A40-12Q")))
		broken("create was refused, and there is room");
	return 1u << 31;
}

static unsigned int do_remove(void)
{
	for (int i = 0; i < before.nstates; i++)
		if (!before.state[i].vmid) {
			note(" %s", before.state[i].id);
			if (run("remove", before.state[i].id))
				broken("a standalone vGPU could not be removed");
			look(&now);
			if (count_standalone(&now) >= count_standalone(&before))
				broken("a removed standalone vGPU is still on record");
			return 1u << 31;
		}
	return 0;
}

static void arm(const char *const errors[], unsigned int n, const char *pattern)
{
	const char *what = text("%s %s %u", pattern, errors[rnd(n)], 1 + rnd(3));

	note(" [%s]", what);
	control("fault", what);
}

static unsigned int do_fault_start(void)
{
	static const char *const errors[] = { "EIO", "ENOSPC", "EBUSY", "EINVAL", "LOST", "EPERM" };
	/* Not ENODEV, which says that the VF itself is gone. */
	static const char *const reads[] = { "EIO", "EBUSY", "EINVAL", "EPERM" };
	struct vm *vm = pick(OFF);

	if (!vm)
		return 0;
	if (rnd(4))
		arm(errors, 6, mdev ? "write */create" : "write */current_vgpu_type");
	else
		arm(reads, 4, mdev ? "read */available_instances" : rnd(2) ?
		    "read */creatable_vgpu_types" : "read */current_vgpu_type");
	if (pre_start(vm, true))
		finish_start(vm);
	return bit(vm);
}

static unsigned int do_fault_stop(void)
{
	static const char *const errors[] = { "EIO", "EBUSY", "LOST", "EPERM" };
	struct vm *vm = pick(RUNNING);
	int rc;

	if (!vm)
		return 0;
	vm->st = OFF;
	qemu_ends(vm);
	arm(errors, 4, mdev ? "write */remove" : "write */current_vgpu_type");
	rc = hook(vm, "post-stop");
	control("fault", "clear");
	look(&now);
	/* On record as long as it is there: the record is all that leads back to it. */
	if ((rc == 0) != !state_of(&now, vm->vmid))
		broken(text("a post-stop that could not remove it gave %d and left %s", rc,
			    state_of(&now, vm->vmid) ? "a record" : "no record"));
	return bit(vm);
}

static unsigned int do_many_starts(void)
{
	struct vm *who[4];
	pid_t pid[4];
	unsigned int own = 0, n = 2 + rnd(3), k = 0;
	int rc[4];

	clear_output();
	for (unsigned int i = 0; i < n; i++) {
		struct vm *vm = pick(OFF);

		if (!vm || own & bit(vm))
			continue;
		pve_lock(vm);
		note(" %d", vm->vmid);
		who[k] = vm;
		pid[k] = spawn(text("%d", vm->vmid), "pre-start");
		own |= bit(vm);
		k++;
	}
	for (unsigned int i = 0; i < k; i++) {
		rc[i] = reap(pid[i]);
		note(" = %d", rc[i]);
		if (rc[i] < 0 || rc[i] > 1)
			broken(text("pre-start gave %d", rc[i]));
	}
	for (unsigned int i = 0; i < k; i++) {
		if (rc[i]) {
			pve_unlock(who[i]);
			continue;
		}
		take_places(who[i]);
		who[i]->st = STARTING;
		finish_start(who[i]);
	}
	return own;
}

static const struct step {
	const char *name;
	unsigned int weight;
	unsigned int (*run)(void);	/* which VMs it was about; 0: not possible now */
} all_steps[] = {
	{ "start", 18, do_start },
	{ "begin", 6, do_begin },
	{ "go on", 9, do_go_on },
	{ "stop", 12, do_stop },
	{ "guest powers off", 5, do_poweroff },
	{ "driver cleans up", 4, do_selfclean },
	{ "QEMU is killed", 4, do_qemu_killed },
	{ "QEMU fails", 5, do_qemu_fails },
	{ "crash", 9, do_crash_start },
	{ "crash", 4, do_crash_stop },
	{ "crash of gc", 2, do_crash_gc },
	{ "odd phase", 9, do_odd_phase },
	{ "gc", 6, do_gc },
	{ "age", 8, do_age },
	{ "create", 4, do_create },
	{ "remove", 3, do_remove },
	{ "fault", 9, do_fault_start },
	{ "fault", 5, do_fault_stop },
	{ "many", 5, do_many_starts },
};

#define NSTEPS (sizeof(all_steps) / sizeof(*all_steps))

static void one_step(void)
{
	unsigned int sum = 0, own;

	for (size_t i = 0; i < NSTEPS; i++)
		sum += all_steps[i].weight;
	do {
		unsigned int at = rnd(sum);
		size_t i = 0;

		while (at >= all_steps[i].weight)
			at -= all_steps[i++].weight;
		steps[step_no % MAX_LOG][0] = '\0';
		note("%s:", all_steps[i].name);
		output[0] = '\0';
		look(&before);
		own = all_steps[i].run();
		if (own) {
			counted[i]++;
			if (getenv("VERBOSE"))
				fprintf(stderr, "%3d %s\n", step_no, steps[step_no % MAX_LOG]);
		}
	} while (!own);
	check(own);
}

/* --- begin and end ------------------------------------------------------ */

static void add_foreign(const char *parent, int type, const char *uuid, bool held)
{
	struct place *p = &foreign[nforeign++];

	*p = (struct place){ .type = type };
	snprintf(p->parent, sizeof(p->parent), "%s", parent);
	if (mdev) {
		snprintf(p->uuid, sizeof(p->uuid), "%s", uuid);
		must_put(text("%s/sys/bus/pci/devices/%s/mdev_supported_types/nvidia-%d/create", root, parent,
			      type), uuid);
	} else {
		must_put(text("%s/sys/bus/pci/devices/%s/nvidia/current_vgpu_type", root, parent),
			 text("%d", type));
	}
	if (held) {
		make_proc(500000);
		open_vgpu(500000, 9, p);
	}
}

/* Of each GPU in turn the VF at this place: first or later. */
static const char *vf_at(int gpu, int n)
{
	int seen = -1;

	for (int i = 0; i < nvfs; i++) {
		seen += !i || strcmp(vfs[i].pf, vfs[i - 1].pf);
		if (seen == gpu)
			return vfs[i + n].addr;
	}
	die("too few GPUs");
}

#define DEVICE(n) "-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/0000000" #n "-0000-0000-0000-%012d"

static void begin(void)
{
	char *buf = NULL;
	size_t len;
	FILE *f = open_memstream(&buf, &len);

	if (!f)
		die("memory");
	find_vfs();
	fprintf(f, "[defaults]\ncleanup-wait = 0\nstart-grace = %d\nlock-wait = 20\n", GRACE_S);
	for (int i = 0; i < NVMS; i++) {
		struct vm *vm = &vms[i];

		vm->vmid = FIRST_VMID + i;
		vm->lock_fd = -1;
		vm->wants = i % 10 == 9 ? 2 : 1;
		fprintf(f, "[vm %d]\n", vm->vmid);
		for (int k = 0; k < vm->wants; k++)
			fprintf(f, "hostpci%d = %s\n", k, wants_half(vm) ? "A40-12Q, A40-24A" :
				vm->vmid % 10 >= 5 ? "A40-24Q" : "A40-24A");
		if (i % 3 == 1)
			fprintf(f, "placement = %s\n", i % 2 ? "spread" : "pack");
		must_put(text("%s/etc/pve/qemu-server/%d.conf", root, vm->vmid),
			 !mdev ? "memory: 512\n" : vm->wants == 1 ?
			 text("args: " DEVICE(0) "\n", vm->vmid) :
			 text("args: " DEVICE(0) " " DEVICE(1) "\n", vm->vmid, vm->vmid));
	}
	fclose(f);
	must_put(text("%s/etc/pve/pve-vgpu.conf", root), buf);
	free(buf);

	add_foreign(vf_at(0, 0), 575, "5f2b1a36-1111-4a5d-9c3e-000000000001", true);
	add_foreign(vf_at(1, 0), 575, "5f2b1a36-1111-4a5d-9c3e-000000000002", false);
	add_foreign(vf_at(2, 1), 563, "5f2b1a36-1111-4a5d-9c3e-000000000003", false);
	/* qemu-server's pattern, of a VM without an intent, and of an index without one. */
	add_foreign(vf_at(3, 0), 575, "00000000-0000-0000-0000-000000000777", false);
	add_foreign(vf_at(4, 0), 565, "00000007-0000-0000-0000-000000000100", false);
}

static void end(void)
{
	step_no++;
	steps[step_no % MAX_LOG][0] = '\0';
	note("the end:");
	look(&before);
	for (int i = 0; i < NVMS; i++) {
		if (vms[i].st == STARTING)
			abort_start(&vms[i]);
		if (vms[i].st != RUNNING)
			continue;
		vms[i].st = OFF;
		qemu_ends(&vms[i]);
		expect_gone(&vms[i], hook(&vms[i], "post-stop"));
	}
	look(&now);
	for (int i = 0; i < now.nstates; i++)
		if (now.state[i].vmid)
			age_vm(now.state[i].vmid);
	do_gc();
	check(~0u);
	for (int i = 0; i < now.nstates; i++)
		if (now.state[i].vmid)
			broken(text("vm %d has a record at the end", now.state[i].vmid));
	if (now.nvgpus != nforeign + count_standalone(&now))
		broken("more is left than what is foreign or standalone");
}

static void check_leftovers(void)
{
	char buf[16384];

	get(text("%s/run/qemu-server/pci-id-reservations", root), buf, sizeof(buf));
	for (int i = 0; i < NVMS; i++)
		if (strstr(buf, text(" %d ", vms[i].vmid)))
			broken(text("reservations are left:\n%s", buf));
}

int main(int argc, char *argv[])
{
	int n;

	if (argc != 5) {
		fprintf(stderr, "usage: random ROOT PROGRAM SEED STEPS\n");
		return 2;
	}
	root = argv[1];
	program = argv[2];
	seed = strtoul(argv[3], NULL, 0);
	n = atoi(argv[4]);
	seed_state = seed * 0x9E3779B97F4A7C15ULL + 1;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	begin();
	for (step_no = 0; step_no < n; step_no++)
		one_step();
	step_no--;
	end();
	check_leftovers();
	for (size_t i = 0; i < NSTEPS; i++)
		printf("%s%s %u", i ? ", " : "", all_steps[i].name, counted[i]);
	printf("\n");
	return 0;
}
