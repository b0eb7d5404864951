/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "standalone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "json_util.h"
#include "plan_asked.h"
#include "scan.h"
#include "settings_file.h"

void standalone_free(struct standalone *n)
{
	inventory_free(&n->inv);
	catalog_free(&n->catalog);
	settings_free(&n->settings);
	free(n->gpus);
}

void standalone_waits(const struct ctx *c, struct settings *out)
{
	if (settings_read(&c->root, out, NULL) < 0)
		settings_parse("", 0, SETTINGS_PATH, out);
}

int standalone_read(const struct ctx *c, struct standalone *n, struct err *e)
{
	standalone_waits(c, &n->settings);
	n->deadline = clock_ms() + (int64_t)n->settings.lock_wait_s * 1000;
	catalog_load(&n->catalog, &c->root);
	return scan_gpus(&c->root, &n->catalog, &n->inv, e);
}

int standalone_plan(const struct ctx *c, struct standalone *n, const struct want *w,
		    const char *uuid, struct vgpu *out, struct err *e)
{
	AUTO_PLAN struct plan p = { 0 };

	plan_asked(&c->root, &n->catalog, &n->inv, w, &p);
	if (!p.ncandidates) {
		AUTO_FREE char *reasons = plan_reasons(&p, "  ");

		fail(e, -ENOSPC, "no GPU of this node has room:\n%s", reasons);
		err_hint(e, "remove a vGPU or choose another type; `pve-vgpu types` shows what fits");
		return -ENOSPC;
	}
	plan_vgpu(&p.candidates[0], w, out);
	if (out->framework == FRAMEWORK_MDEV)
		memcpy(out->uuid, uuid, UUID_TEXT_LEN);
	return 0;
}

void standalone_print(const struct vgpu *v)
{
	printf("%s (%s) on %s", v->name ? v->name : v->type, v->type, v->parent_name);
	if (v->on_gpu)
		printf(", GPU %s", BDF_STR(&v->gpu));
	if (*v->uuid)
		printf(", mdev %s", v->uuid);
}

void standalone_json(struct json_object *o, const struct vgpu *v)
{
	json_add_str(o, "uuid", *v->uuid ? v->uuid : NULL);
	json_add_str(o, "gpu", v->on_gpu ? BDF_STR(&v->gpu) : NULL);
	json_add_str(o, "parent", v->parent_name);
	json_add_str(o, "type", v->type);
	json_add_str(o, "name", v->name);
	json_add_str(o, "framework", framework_name(v->framework));
}
