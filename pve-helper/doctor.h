/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * `doctor`: is this node ready to give VMs their vGPUs? A table of checks, each
 * a small function that looks at what was read of the node and answers. Nothing
 * is changed, and no program is run.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "ctx.h"
#include "show.h"
#include "sriov_node.h"
#include "vm_file.h"

enum doctor_answer {
	DOCTOR_YES,
	DOCTOR_NO,
	DOCTOR_NA,			/* not applicable, or it cannot be told */
};

/* Whether it stands in the way of a VM's start, or of what the settings ask for. */
enum doctor_weight {
	DOCTOR_BLOCKS,
	DOCTOR_ADVICE,
};

struct doctor_problem {
	enum doctor_weight weight;
	char *what;
	char *mend;			/* the command, or what to do; NULL: the first says it */
};

/* What a check has found. */
struct finding {
	enum doctor_answer answer;
	char *note;			/* to a yes or not applicable, or NULL */
	struct doctor_problem *problems;	/* at least one to a no */
	size_t n;
};

/* A yes and a not applicable, unless something is wrong already. */
void find_yes(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void find_na(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* One more thing that is wrong. what and mend, which may be NULL, become f's. */
void find_no(struct finding *f, enum doctor_weight weight, char *what, char *mend);
/* The same from a failure, whose text goes. */
void find_failed(struct finding *f, enum doctor_weight weight, struct err *e);

/* What all checks look at, read once. */
struct doctor {
	struct ctx *c;
	const struct root *r;
	bool has_node;			/* node.inv and node.health are read; else node_err */
	bool has_conf;			/* node.conf is read; else conf_err */
	struct sriov_node node;
	struct err node_err, conf_err;
	struct strlist records;		/* what is wrong with run states, which node.inv.problems has, too */
	struct bdf_list sriov;		/* GPUs of NVIDIA's that can have VFs */
	bool nvidia;			/* there are GPUs of NVIDIA's at all */
	bool has_show;			/* settings and VMs are read; else show_err */
	struct show show;		/* VMs of the cluster that are to get something */
	struct err show_err;
	struct vm_file *vms;		/* all VMs of this node, by ascending vmid */
	size_t nvms;
	char *kernel;			/* its release; NULL: not known */
	char *cmdline;			/* its command line; NULL: not known */
	char *qemu_server;		/* version; NULL: not known */
	bool wrapper;			/* it stands at /usr/bin/kvm */
};

void doctor_read(struct ctx *c, struct doctor *d);
void doctor_free(struct doctor *d);
#define AUTO_DOCTOR __attribute__((cleanup(doctor_free)))

/*
 * Whether that was read which a check looks at; where not, it is not applicable,
 * and refers to the check that says why: gpus; node-conf and gpus; settings.
 */
bool doctor_has_gpus(const struct doctor *d, struct finding *f);
bool doctor_has_conf_and_gpus(const struct doctor *d, struct finding *f);
bool doctor_has_vms(const struct doctor *d, struct finding *f);

/* Whether a GPU can serve, as far as health.h tells. */
bool doctor_serves(const struct doctor *d, const struct bdf *gpu);
/* Whether any can. */
bool doctor_any_serves(const struct doctor *d);
/* Whether node.conf asks for its VFs. */
enum said doctor_asks_sriov(const struct doctor *d, const struct bdf *gpu);
/*
 * What it means that this GPU cannot serve: VMs have the others, unless there
 * are none or node.conf asks for this very one.
 */
enum doctor_weight doctor_weigh(const struct doctor *d, const struct bdf *gpu);
/* A no for each GPU with this ailment. */
void doctor_ailment(const struct doctor *d, enum ailment what, struct finding *f);
/* The VMs of this node that show has something of: the next one behind i, or NULL. */
const struct show_vm *doctor_next_vm(const struct doctor *d, size_t *i);

struct doctor_check {
	const char *name, *about;
	void (*look)(struct doctor *d, struct finding *f);
};

/* What a check has answered. */
struct doctor_result {
	const struct doctor_check *check;
	struct finding f;
};

void doctor_print(const struct doctor_result *results, size_t n, bool json);

/* doctor_kernel.c */
void check_iommu(struct doctor *d, struct finding *f);
void check_nouveau(struct doctor *d, struct finding *f);
void check_framework(struct doctor *d, struct finding *f);
void check_ari(struct doctor *d, struct finding *f);

/* doctor_driver.c */
void check_gpus(struct doctor *d, struct finding *f);
void check_driver(struct doctor *d, struct finding *f);
void check_vgpud(struct doctor *d, struct finding *f);
void check_vgpu_mgr(struct doctor *d, struct finding *f);

/* doctor_gpus.c */
void check_vfs(struct doctor *d, struct finding *f);
void check_vf_driver(struct doctor *d, struct finding *f);
void check_types(struct doctor *d, struct finding *f);
void check_mig(struct doctor *d, struct finding *f);
void check_scheduler(struct doctor *d, struct finding *f);
void check_standalone(struct doctor *d, struct finding *f);

/* doctor_boot.c */
void check_units(struct doctor *d, struct finding *f);
void check_sriov_boot(struct doctor *d, struct finding *f);

/* doctor_pve.c */
void check_qemu_server(struct doctor *d, struct finding *f);
void check_modes(struct doctor *d, struct finding *f);
void check_snippet(struct doctor *d, struct finding *f);
void check_wrapper(struct doctor *d, struct finding *f);
void check_settings(struct doctor *d, struct finding *f);
void check_node_conf(struct doctor *d, struct finding *f);

/* doctor_vms.c */
void check_intents(struct doctor *d, struct finding *f);
void check_configs(struct doctor *d, struct finding *f);
void check_hookscripts(struct doctor *d, struct finding *f);
void check_clones(struct doctor *d, struct finding *f);
void check_identity(struct doctor *d, struct finding *f);
void check_leftovers(struct doctor *d, struct finding *f);

/* doctor_guest.c */
void check_uuid(struct doctor *d, struct finding *f);
void check_licence(struct doctor *d, struct finding *f);

#endif
