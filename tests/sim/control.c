/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the files under .sim steer.
 */
#include "control.h"
#include "attr.h"
#include "clock.h"

#include <errno.h>
#include <fnmatch.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const control_names[CTL_MAX] = {
	[CTL_OPS] = "ops", [CTL_FAULT] = "fault", [CTL_DELAY] = "delay",
	[CTL_OPEN] = "open", [CTL_SELFCLEAN] = "selfclean",
	[CTL_VANISH] = "vanish", [CTL_ERRNO] = "errno",
	[CTL_VFS] = "vfs", [CTL_DRIVER] = "driver", [CTL_TYPES] = "types",
	[CTL_HANG] = "hang", [CTL_VGPUS] = "vgpus",
};

/* A pattern (or a vGPU's name) and what is to happen to what it matches. */
struct rule {
	char *pattern;
	enum op op;
	int error;
	unsigned long left;	/* of a fault; of a hang: how many stand there */
	unsigned long ms;	/* of a delay or a selfclean */
	struct rule *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule *faults, *delays, *cleans, *hangs;	/* under lock */
static atomic_int armed;			/* faults, delays and hangs */

#define MAX_ATTRS 256
static struct { atomic_ulong n[2]; } counts[MAX_ATTRS];

/* --- errno names ----------------------------------------------------------- */

#define E(name) { #name, name }
static const struct { const char *name; int number; } errnos[] = {
	E(EPERM), E(ENOENT), E(ESRCH), E(EINTR), E(EIO), E(ENXIO), E(E2BIG),
	E(EBADF), E(ECHILD), E(EAGAIN), E(EWOULDBLOCK), E(ENOMEM), E(EACCES),
	E(EFAULT), E(EBUSY), E(EEXIST), E(EXDEV), E(ENODEV), E(ENOTDIR),
	E(EISDIR), E(EINVAL), E(ENFILE), E(EMFILE), E(ENOTTY), E(ETXTBSY),
	E(EFBIG), E(ENOSPC), E(ESPIPE), E(EROFS), E(EMLINK), E(EPIPE), E(EDOM),
	E(ERANGE), E(EDEADLK), E(ENAMETOOLONG), E(ENOLCK), E(ENOSYS),
	E(ENOTEMPTY), E(ELOOP), E(ENODATA), E(ETIME), E(EPROTO), E(EBADMSG),
	E(EOVERFLOW), E(EUSERS), E(EMSGSIZE), E(EOPNOTSUPP), E(ENOTSUP),
	E(EADDRINUSE), E(ENETDOWN), E(ECONNRESET), E(ENOBUFS), E(ESHUTDOWN),
	E(ETIMEDOUT), E(ECONNREFUSED), E(EHOSTDOWN), E(EALREADY),
	E(EINPROGRESS), E(ESTALE), E(EREMOTEIO), E(EDQUOT), E(ECANCELED),
	E(EILSEQ), E(EUCLEAN), E(EBADFD), E(ENOTUNIQ), E(ENOLINK), E(ECOMM),
};
#undef E

int errno_by_name(const char *name)
{
	size_t i;

	if (!strcmp(name, "LOST"))
		return FAULT_LOST;
	for (i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		if (!strcmp(errnos[i].name, name))
			return errnos[i].number;
	return 0;
}

static const char *errno_name(int number)
{
	size_t i;

	for (i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		if (errnos[i].number == number)
			return errnos[i].name;
	return "LOST";
}

/* --- counts ------------------------------------------------------------------- */

void control_count(enum op op, unsigned int attr)
{
	if (attr < MAX_ATTRS)
		atomic_fetch_add(&counts[attr].n[op], 1);
}

static void add_to(json_object *o, const char *key, unsigned long n)
{
	json_object *v;
	int64_t old = json_object_object_get_ex(o, key, &v) ?
		json_object_get_int64(v) : 0;

	json_object_object_add(o, key, json_object_new_int64(old + (int64_t)n));
}

/* Attributes of one name share a line, wherever they are. */
static char *read_ops(void)
{
	json_object *o = json_object_new_object(), *a;
	unsigned int i;
	char *text;

	json_object_object_add(o, "total", json_object_new_int64(0));
	for (i = 1; i < attr_count() && i < MAX_ATTRS; i++) {
		unsigned long r = atomic_load(&counts[i].n[OP_READ]);
		unsigned long w = atomic_load(&counts[i].n[OP_WRITE]);

		if (!r && !w)
			continue;
		if (!json_object_object_get_ex(o, attr_name(i), &a)) {
			a = json_object_new_object();
			json_object_object_add(o, attr_name(i), a);
		}
		add_to(a, "read", r);
		add_to(a, "write", w);
		add_to(o, "total", r + w);
	}
	if (asprintf(&text, "%s\n", json_object_to_json_string_ext(o,
					JSON_C_TO_STRING_SPACED)) < 0)
		text = NULL;
	json_object_put(o);
	return text;
}

static void reset_ops(void)
{
	unsigned int i;

	for (i = 0; i < MAX_ATTRS; i++) {
		atomic_store(&counts[i].n[OP_READ], 0);
		atomic_store(&counts[i].n[OP_WRITE], 0);
	}
}

/* --- rules ----------------------------------------------------------------------- */

static void free_rule(struct rule *r)
{
	free(r->pattern);
	free(r);
}

static void clear_rules(struct rule **list, bool arms)
{
	struct rule *r;

	pthread_mutex_lock(&lock);
	while ((r = *list)) {
		*list = r->next;
		free_rule(r);
		if (arms)
			atomic_fetch_sub(&armed, 1);
	}
	pthread_mutex_unlock(&lock);
}

/* At the end: the first one armed is the first one used. */
static int add_rule(struct rule **list, const struct rule *like, bool arms)
{
	struct rule *r = malloc(sizeof(*r));

	if (!r)
		return -ENOMEM;
	*r = *like;
	r->next = NULL;
	r->pattern = strdup(like->pattern);
	if (!r->pattern) {
		free(r);
		return -ENOMEM;
	}
	pthread_mutex_lock(&lock);
	while (*list)
		list = &(*list)->next;
	*list = r;
	if (arms)
		atomic_fetch_add(&armed, 1);
	pthread_mutex_unlock(&lock);
	return 0;
}

static void drop_rule(struct rule **list, const char *pattern, bool arms)
{
	struct rule *r;

	pthread_mutex_lock(&lock);
	while ((r = *list)) {
		if (strcmp(r->pattern, pattern)) {
			list = &r->next;
			continue;
		}
		*list = r->next;
		free_rule(r);
		if (arms)
			atomic_fetch_sub(&armed, 1);
	}
	pthread_mutex_unlock(&lock);
}

bool control_armed(void)
{
	return atomic_load(&armed) > 0;
}

int control_take_fault(enum op op, const char *path)
{
	struct rule **p, *r;
	int error = 0;

	pthread_mutex_lock(&lock);
	for (p = &faults; (r = *p); p = &r->next)
		if (r->op == op && !fnmatch(r->pattern, path, 0))
			break;
	if (r) {
		error = r->error;
		if (!--r->left) {
			*p = r->next;
			free_rule(r);
			atomic_fetch_sub(&armed, 1);
		}
	}
	pthread_mutex_unlock(&lock);
	return error;
}

unsigned int control_delay_ms(const char *path)
{
	unsigned long ms = 0;
	const struct rule *r;

	pthread_mutex_lock(&lock);
	for (r = delays; r; r = r->next)
		if (r->ms > ms && !fnmatch(r->pattern, path, 0))
			ms = r->ms;
	pthread_mutex_unlock(&lock);
	return (unsigned int)ms;
}

/* Whether there is a hang for that path; how many stand there changes by that much. */
static bool find_hang(const char *path, int change)
{
	struct rule *r;

	pthread_mutex_lock(&lock);
	for (r = hangs; r; r = r->next)
		if (!fnmatch(r->pattern, path, 0))
			break;
	if (r)
		r->left += (unsigned long)change;
	pthread_mutex_unlock(&lock);
	return r;
}

bool control_hangs(const char *path)
{
	return find_hang(path, 0);
}

bool control_hang(const char *path)
{
	return find_hang(path, 1);
}

void control_unhang(const char *path)
{
	find_hang(path, -1);
}

static unsigned long clean_ms(const char *name)
{
	unsigned long ms = 0;
	const struct rule *r;

	pthread_mutex_lock(&lock);
	for (r = cleans; r; r = r->next)
		if (!strcmp(r->pattern, name))
			ms = r->ms;
	pthread_mutex_unlock(&lock);
	return ms;
}

/* --- reading them -------------------------------------------------------------------- */

/* What print writes while nobody else changes it. */
static char *text_under(pthread_mutex_t *held, void (*print)(FILE *, void *),
			void *what)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	pthread_mutex_lock(held);
	print(f, what);
	pthread_mutex_unlock(held);
	fclose(f);
	return text;
}

static void print_faults(FILE *f, void *list)
{
	const struct rule *r;

	for (r = *(struct rule *const *)list; r; r = r->next)
		fprintf(f, "%s %s %s %lu\n",
			r->op == OP_READ ? "read" : "write", r->pattern,
			errno_name(r->error), r->left);
}

static void print_hangs(FILE *f, void *list)
{
	const struct rule *r;

	for (r = *(struct rule *const *)list; r; r = r->next)
		fprintf(f, "%s %lu\n", r->pattern, r->left);
}

static void print_times(FILE *f, void *list)
{
	const struct rule *r;

	for (r = *(struct rule *const *)list; r; r = r->next)
		fprintf(f, "%s %lu\n", r->pattern, r->ms);
}

/* The UUID of an mdev, the address of a VF. */
static void print_open(FILE *f, void *sim)
{
	const struct vgpu *v;

	for (v = ((struct sim *)sim)->vgpus; v; v = v->next)
		if (v->held)
			fprintf(f, "%s\n", v->uuid[0] ? v->uuid : v->dev->name);
}

/* All that there is at one moment: parent, type, UUID or "-", held or free. */
static void print_vgpus(FILE *f, void *sim)
{
	const struct vgpu *v;

	for (v = ((struct sim *)sim)->vgpus; v; v = v->next)
		fprintf(f, "%s %s %s %s\n", v->dev->name, v->type->id,
			v->uuid[0] ? v->uuid : "-", v->held ? "held" : "free");
}

static void print_vanished(FILE *f, void *what)
{
	const struct sim *sim = what;
	size_t i;

	for (i = 0; i < sim->n_devs; i++)
		if (sim->devs[i].vanished)
			fprintf(f, "%s\n", sim->devs[i].name);
}

char *control_read(struct sim *sim, enum control c)
{
	switch (c) {
	case CTL_OPS:
		return read_ops();
	case CTL_FAULT:
		return text_under(&lock, print_faults, &faults);
	case CTL_DELAY:
		return text_under(&lock, print_times, &delays);
	case CTL_SELFCLEAN:
		return text_under(&lock, print_times, &cleans);
	case CTL_HANG:
		return text_under(&lock, print_hangs, &hangs);
	case CTL_OPEN:
		return text_under(&sim->lock, print_open, sim);
	case CTL_VGPUS:
		return text_under(&sim->lock, print_vgpus, sim);
	case CTL_VANISH:
		return text_under(&sim->lock, print_vanished, sim);
	case CTL_ERRNO:
	case CTL_VFS:
	case CTL_DRIVER:
	case CTL_TYPES:
	case CTL_MAX:
		break;
	}
	return strdup("");
}

/* --- writing them ----------------------------------------------------------------------- */

#define MAX_WORDS 5

static int split(char *line, char *word[MAX_WORDS])
{
	char *save, *p;
	int n = 0;

	for (p = strtok_r(line, " \t", &save); p && n < MAX_WORDS;
	     p = strtok_r(NULL, " \t", &save))
		word[n++] = p;
	return n;
}

static int to_number(const char *text, unsigned long max, unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end || *out > max)
		return -EINVAL;
	return 0;
}

static int write_fault(char *word[], int n)
{
	struct rule r = { .left = 1 };

	if (n < 3 || n > 4)
		return -EINVAL;
	if (!strcmp(word[0], "read"))
		r.op = OP_READ;
	else if (!strcmp(word[0], "write"))
		r.op = OP_WRITE;
	else
		return -EINVAL;
	r.pattern = word[1];
	r.error = errno_by_name(word[2]);
	if (!r.error)
		return -EINVAL;
	if (n == 4 && (to_number(word[3], ~0UL, &r.left) || !r.left))
		return -EINVAL;
	return add_rule(&faults, &r, true);
}

static int yes_or_no(const char *word, bool *yes)
{
	*yes = !strcmp(word, "yes");
	return *yes || !strcmp(word, "no") ? 0 : -EINVAL;
}

/* A new one takes the place of what the same pattern had; 0 takes it away. */
static int write_delay(char *word[], int n)
{
	struct rule r = { 0 };

	if (n != 2 || to_number(word[1], 3600000, &r.ms))
		return -EINVAL;
	r.pattern = word[0];
	drop_rule(&delays, word[0], true);
	return r.ms ? add_rule(&delays, &r, true) : 0;
}

/* Until `clear`, or the same pattern with no. */
static int write_hang(char *word[], int n)
{
	struct rule r = { .pattern = word[0] };
	bool yes;

	if (n != 2 || yes_or_no(word[1], &yes))
		return -EINVAL;
	drop_rule(&hangs, word[0], true);
	return yes ? add_rule(&hangs, &r, true) : 0;
}

/* The device of this name, or NULL; the lock is held either way. */
static struct dev *lock_dev(struct sim *sim, const char *name)
{
	pthread_mutex_lock(&sim->lock);
	return model_find_dev(sim, name);
}

static int unlock(struct sim *sim, int rc)
{
	pthread_mutex_unlock(&sim->lock);
	return rc;
}

static bool known_name(struct sim *sim, const char *name)
{
	char uuid[UUID_LEN + 1];

	if (strlen(name) == UUID_LEN && uuid_parse_text(name, uuid))
		return true;
	return !unlock(sim, lock_dev(sim, name) ? 0 : -ENODEV);
}

/* May come before the vGPU: a rule is kept by name until it is cleared. */
static int write_selfclean(struct sim *sim, char *word[], int n)
{
	struct rule r = { 0 };
	char uuid[UUID_LEN + 1];

	if (n != 2 || to_number(word[1], 3600000, &r.ms) ||
	    !known_name(sim, word[0]))
		return -EINVAL;
	r.pattern = word[0];
	if (strlen(word[0]) == UUID_LEN && uuid_parse_text(word[0], uuid))
		r.pattern = uuid;
	drop_rule(&cleans, r.pattern, false);
	/* At once is a millisecond later, for 0 means never. */
	if (!r.ms)
		r.ms = 1;
	return add_rule(&cleans, &r, false);
}

static int write_open(struct sim *sim, char *word[], int n)
{
	struct vgpu *v;
	unsigned long ms;
	bool yes;

	if (n != 2 || yes_or_no(word[1], &yes))
		return -EINVAL;
	pthread_mutex_lock(&sim->lock);
	v = model_find_vgpu(sim, word[0]);
	if (v) {
		ms = clean_ms(v->uuid);
		if (!ms)
			ms = clean_ms(v->dev->name);
		model_set_held(sim, v, yes, now_ms(), ms);
	}
	return unlock(sim, v ? 0 : -EINVAL);
}

static int write_vanish(struct sim *sim, char *word[], int n)
{
	struct dev *d;

	if (n != 1)
		return -EINVAL;
	d = lock_dev(sim, word[0]);
	return unlock(sim, d ? model_vanish(sim, d) : -EINVAL);
}

/* On every GPU; R_NONE: back to what the node file says. */
static void set_errno(struct sim *sim, enum refusal r, int error)
{
	size_t i;

	pthread_mutex_lock(&sim->lock);
	for (i = 0; i < sim->n_gpus; i++) {
		struct gpu *g = &sim->gpus[i];

		if (r)
			g->err[r] = error;
		else
			memcpy(g->err, g->file_err, sizeof(g->err));
	}
	pthread_mutex_unlock(&sim->lock);
}

static int write_errno(struct sim *sim, char *word[], int n)
{
	int r, error;

	if (n != 2)
		return -EINVAL;
	error = errno_by_name(word[1]);
	if (error <= 0)
		return -EINVAL;
	for (r = R_NONE + 1; r < R_MAX; r++)
		if (!strcmp(refusal_keys[r], word[0])) {
			set_errno(sim, (enum refusal)r, error);
			return 0;
		}
	return -EINVAL;
}

/* What a program that takes the PF from its driver does: as many VFs, whatever the driver says. */
static int write_vfs(struct sim *sim, char *word[], int n)
{
	unsigned long vfs;
	struct dev *d;

	if (n != 2 || to_number(word[1], 4096, &vfs))
		return -EINVAL;
	d = lock_dev(sim, word[0]);
	return unlock(sim, d && d->kind == DEV_PF ?
		      model_force_numvfs(sim, d, (unsigned int)vfs) : -EINVAL);
}

/* "-" takes the driver away. */
static int write_driver(struct sim *sim, char *word[], int n)
{
	const char *driver;
	struct dev *d;

	if (n != 2)
		return -EINVAL;
	driver = strcmp(word[1], "-") ? word[1] : NULL;
	d = lock_dev(sim, word[0]);
	return unlock(sim, d && d->bus == BUS_PCI ? model_bind(sim, d, driver) : -EINVAL);
}

/* Whether the GPU shows its types, as before and after NVIDIA's nvidia-vgpud. */
static int write_types(struct sim *sim, char *word[], int n)
{
	struct dev *d;
	bool yes;

	if (n != 2 || yes_or_no(word[1], &yes))
		return -EINVAL;
	d = lock_dev(sim, word[0]);
	if (d && d->gpu)
		model_show_types(d->gpu, yes);
	return unlock(sim, d && d->gpu ? 0 : -EINVAL);
}

static int clear(struct sim *sim, enum control c)
{
	switch (c) {
	case CTL_FAULT:
		clear_rules(&faults, true);
		return 0;
	case CTL_DELAY:
		clear_rules(&delays, true);
		return 0;
	case CTL_HANG:
		clear_rules(&hangs, true);
		return 0;
	case CTL_SELFCLEAN:
		clear_rules(&cleans, false);
		return 0;
	case CTL_VANISH:
		pthread_mutex_lock(&sim->lock);
		model_unvanish_all(sim);
		pthread_mutex_unlock(&sim->lock);
		return 0;
	case CTL_ERRNO:
		set_errno(sim, R_NONE, 0);
		return 0;
	default:
		return -EINVAL;
	}
}

static int write_line(struct sim *sim, enum control c, char *line)
{
	char *word[MAX_WORDS];
	int n = split(line, word);

	if (!n)
		return -EINVAL;
	if (n == 1 && !strcmp(word[0], "clear"))
		return clear(sim, c);
	switch (c) {
	case CTL_FAULT:
		return write_fault(word, n);
	case CTL_DELAY:
		return write_delay(word, n);
	case CTL_SELFCLEAN:
		return write_selfclean(sim, word, n);
	case CTL_OPEN:
		return write_open(sim, word, n);
	case CTL_VANISH:
		return write_vanish(sim, word, n);
	case CTL_ERRNO:
		return write_errno(sim, word, n);
	case CTL_VFS:
		return write_vfs(sim, word, n);
	case CTL_DRIVER:
		return write_driver(sim, word, n);
	case CTL_TYPES:
		return write_types(sim, word, n);
	case CTL_HANG:
		return write_hang(word, n);
	default:
		return -EINVAL;
	}
}

int control_write(struct sim *sim, enum control c, char *text)
{
	char *line, *save;
	int rc = -EINVAL;

	if (c == CTL_OPS) {
		reset_ops();
		return 0;
	}
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		rc = write_line(sim, c, line);
		if (rc)
			return rc;
	}
	return rc;
}
