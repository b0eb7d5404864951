/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* /etc/pve-vgpu/node.conf. */
#include "bdf.h"
#include "fuzz.h"
#include "node_conf.h"
#include "scheduler.h"

static bool is_board(void *arg, const char *board)
{
	(void)arg;
	return !strcmp(board, "A40");
}

static void judge_gpu(const struct node_conf *c, const struct bdf *addr)
{
	struct node_keys keys;

	if (node_conf_gpu(c, addr, is_board, NULL, &keys, NULL) < 0 || !keys.scheduler.has_policy)
		return;

	struct scheduler s;

	scheduler_decode(node_scheduler_value(&keys.scheduler), &s);
	must(s.policy == keys.scheduler.policy, "the driver's value says the policy of the file");
	must(s.timeslice_ms == keys.scheduler.timeslice_ms, "the driver's value says the time slice of the file");
	must(s.frequency_hz == keys.scheduler.frequency_hz, "the driver's value says the frequency of the file");
	must(s.averaging_factor == keys.scheduler.averaging_factor, "the driver's value says the factor of the file");
}

FUZZ(text, len)
{
	AUTO_NODE_CONF struct node_conf c = { 0 };
	AUTO_STRLIST struct strlist faults = { 0 };

	node_conf_parse(text, len, "/etc/pve-vgpu/node.conf", &c);
	node_conf_faults(&c, &faults);
	must(!c.fault || faults.n, "a fault of all is among the faults");
	judge_gpu(&c, &(struct bdf){ 0, 0xe8, 0, 0 });
	for (size_t i = 0; i < c.n_gpus; i++)
		if (c.gpus[i].by_address)
			judge_gpu(&c, &c.gpus[i].addr);
	for (size_t i = 0; i < c.n_vgpus; i++)
		must(node_conf_vgpu(&c, &c.vgpus[i], NULL) < 0 || c.vgpus[i].type, "a vGPU that can be served has a type");
}
