/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a Linux guest is told about its vGPUs through cloud-init: the licence
 * feature for NVIDIA's gridd, and the client configuration token. Pure.
 */
#ifndef GUEST_DATA_H
#define GUEST_DATA_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "strlist.h"

#define GUEST_TEMPLATE	"usr/share/pve-vgpu/vgpu-guest.yaml.in"

/* FeatureType of /etc/nvidia/gridd.conf; NVIDIA vGPU software, client licensing user guide */
enum feature_type {
	FEATURE_VGPU = 1,	/* the licence that the type calls for */
	FEATURE_VWS = 2,	/* virtual workstation */
	FEATURE_VCS = 4,	/* compute */
};

/*
 * The series of a type by its friendly name: 'Q', 'B', 'A' or 'C', the letter
 * behind the last size ("A40-24Q", "P40-2B4", "A100-1-5CME"); 0 for names without one.
 */
char guest_series(const char *name);

/*
 * One number for a guest with vGPUs of these names: Q is 2 and C is 4. A and B
 * have none of their own and are 1, and so are names without a series, and
 * several series in one guest.
 */
enum feature_type guest_feature(const struct strlist *names);

struct guest_facts {
	unsigned int vmid;
	const struct strlist *types;	/* friendly names */
	const char *token;		/* of one line, or NULL */
};

/* Fill the template in. The caller frees it. */
char *guest_render(const char *template, const struct guest_facts *f);

/*
 * Check the text of a client configuration token: one word of base64 with
 * dots. *token is the caller's. Returns 0 or -EINVAL; file is for the message.
 */
int guest_token(const char *text, size_t len, const char *file, char **token, struct err *e);

/* Whether a text is vendor data that guest_render() has made, and whether a token is in it. */
bool guest_is_ours(const char *text);
bool guest_has_token(const char *text);

#endif
