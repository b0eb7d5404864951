/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "node.h"
#include "node_conf.h"

#define GPU	"0000:3b:00.0"
#define UUID	"11111111-2222-4333-8444-555555555555"
#define F	"/etc/pve-vgpu/node.conf"

static struct node_conf read_text(const char *text)
{
	struct node_conf c;

	node_conf_parse(text, strlen(text), F, &c);
	return c;
}

/* GPU is an A40, and goes by two names. */
static bool is_a40(void *arg, const char *board)
{
	(void)arg;
	return !strcasecmp(board, "A40") || !strcasecmp(board, "NVIDIA A40");
}

/* "sriov mixed vfs RmPVMRL", "-" for what is not said; or the failure. The caller frees it. */
static char *of(const struct node_conf *c, const char *address)
{
	static const char *const said[] = { "-", "no", "yes" };
	AUTO_ERR struct err e = { 0 };
	struct bdf addr = addr_of(address);
	struct node_keys k;

	if (node_conf_gpu(c, &addr, is_a40, NULL, &k, &e) < 0)
		return xstrdup(e.msg);

	AUTO_FREE char *vfs = k.has_vfs ? xasprintf("%u", k.vfs) : xstrdup("-");
	AUTO_FREE char *value = k.scheduler.line ?
		xasprintf("0x%x", node_scheduler_value(&k.scheduler)) : xstrdup("-");

	return xasprintf("%s %s %s %s", said[k.sriov], said[k.mixed_size], vfs, value);
}

static void check_gpu(const char *text, const char *want)
{
	AUTO_NODE_CONF struct node_conf c = read_text(text);
	AUTO_FREE char *got = of(&c, GPU);

	CHECK_STR(got, want);
}

/* All faults, one a line, without the file's name in front. */
static void check_faults(const char *text, const char *want)
{
	AUTO_NODE_CONF struct node_conf c = read_text(text);
	AUTO_STRLIST struct strlist l = { 0 };

	node_conf_faults(&c, &l);

	AUTO_FREE char *got = strlist_join(&l, "|");

	CHECK_HAS(got, want);
	CHECK(!strncmp(got, F ":", strlen(F ":")));
}

static void check_sections(void)
{
	TEST("node_conf: nothing said, and what [defaults] say") {
		check_gpu("", "- - - -");
		check_gpu("[defaults]\nsriov = yes\nmixed-size = yes\nvfs = 8\nscheduler = equal-share\n", "yes yes 8 0x1");
		check_gpu("[defaults]\nvfs = all\n[gpu 0000:5e:00.0]\nsriov = yes\n", "- - 0 -");
	}
	TEST("node_conf: an address wins over a board, and that over [defaults], key by key") {
		check_gpu("[gpu 3b:00.0]\nsriov = no\n[gpu a40]\nsriov = yes\nmixed-size = yes\n[defaults]\nvfs = 2\nmixed-size = no\n",
			  "no yes 2 -");
		check_gpu("[gpu L40S]\nsriov = no\n[defaults]\nsriov = yes\n", "yes - - -");
	}
	TEST("node_conf: the scheduler's keys are inherited as one") {
		check_gpu("[defaults]\nscheduler = equal-share\ntime-slice = 3\n[gpu A40]\nscheduler = fixed-share\n", "- - - 0x11");
		check_gpu("[defaults]\nscheduler = equal-share\n[gpu A40]\ntime-slice = 3\n",
			  F ":4: a scheduler's time is said and not which scheduler; add 'scheduler = equal-share' or 'scheduler = fixed-share'");
	}
	TEST("node_conf: values of RmPVMRL as NVIDIA's guide has them") {
		check_gpu("[defaults]\nscheduler = best-effort\n", "- - - 0x0");
		check_gpu("[defaults]\nscheduler = fixed-share\n", "- - - 0x11");
		check_gpu("[defaults]\nscheduler = equal-share\ntime-slice = 3\n", "- - - 0x30003");
		check_gpu("[defaults]\nscheduler = fixed-share\ntime-slice = 24\n", "- - - 0x180013");
		check_gpu("[defaults]\nscheduler = equal-share\nfrequency = 960\naveraging-factor = 60\n", "- - - 0x3c3c0001");
		check_gpu("[defaults]\nscheduler = fixed-share\nfrequency = 960\naveraging-factor = 60\n", "- - - 0x3c3c0011");
	}
	TEST("node_conf: two sections of one board") {
		check_gpu("[gpu A40]\nsriov = yes\n[gpu NVIDIA A40]\nsriov = no\n",
			  F ":3: [gpu NVIDIA A40] and [gpu A40] of line 1 are the same board; put the lines of both into one");
	}
	TEST("node_conf: a vGPU's section") {
		AUTO_NODE_CONF struct node_conf c = read_text(
			"[vgpu 11111111-2222-4333-8444-55555555AAAA]\ntype = A40-24A\ngpu = " GPU ", L40S\nparams = a=1, b=2\n"
			"[vgpu 3b:00.4]\ntype = 575\n");

		CHECK_NUM(c.n_vgpus, 2);
		CHECK_STR(c.vgpus[0].name, "11111111-2222-4333-8444-55555555aaaa");
		CHECK_STR(c.vgpus[0].type, "A40-24A");
		CHECK_STR(c.vgpus[0].params, "a=1,b=2");
		CHECK_NUM(c.vgpus[0].n_gpus, 1);
		CHECK_STR(c.vgpus[0].boards.s[0], "L40S");
		CHECK_STR(c.vgpus[1].name, "0000:3b:00.4");
		CHECK(c.vgpus[1].on_vf);
		CHECK_NUM(node_conf_vgpu(&c, &c.vgpus[1], NULL), 0);
	}
}

static void check_values(void)
{
	TEST("node_conf: bad values, with file and line") {
		check_gpu("[defaults]\nsriov = on\n", F ":2: 'sriov': 'on' is neither 'yes' nor 'no'");
		check_gpu("[defaults]\nvfs = 0\n", F ":2: 'vfs': '0' is out of place; write 'all' or a number from 1 on (sriov = no for none)");
		check_gpu("[defaults]\nscheduler = fair\n", F ":2: 'scheduler': 'fair' is none; write 'best-effort', 'equal-share' or 'fixed-share'");
		check_gpu("[defaults]\nscheduler = equal-share\ntime-slice = 31\n", F ":3: 'time-slice': '31' is out of place; write milliseconds from 1 to 30");
		check_gpu("[defaults]\nscheduler = equal-share\nfrequency = 62\n", F ":3: 'frequency': '62' is out of place; write Hz from 63 to 960");
		check_gpu("[defaults]\nsriov-wait = 601\n", F ":2: 'sriov-wait': '601' is out of place; write seconds from 1 to 600");
	}
	TEST("node_conf: what does not go together") {
		check_gpu("[gpu A40]\nscheduler = best-effort\nfrequency = 480\n",
			  F ":2: best-effort has neither time slice nor frequency; remove those lines, or write 'equal-share' or 'fixed-share'");
		check_gpu("[gpu A40]\nscheduler = equal-share\nfrequency = 480\ntime-slice = 2\n",
			  F ":2: 'time-slice' is for scheduling without strict round robin, 'frequency' for scheduling with it; remove one of the two");
		check_gpu("[gpu A40]\nscheduler = equal-share\naveraging-factor = 2\n",
			  F ":2: 'averaging-factor' goes with 'frequency'; add that, or remove the line");
		check_gpu("[gpu A40]\nscheduler = fixed-share\nmixed-size = yes\n",
			  F ":3: 'mixed-size = yes' and 'scheduler = fixed-share' exclude each other; mixed sizes take best-effort or equal-share");
		check_gpu("[defaults]\nscheduler = fixed-share\n[gpu A40]\nmixed-size = yes\n",
			  F ":4: 'mixed-size = yes' and the scheduler of line 2, fixed-share, exclude each other; mixed sizes take best-effort or equal-share");
	}
}

static void check_keys_and_headers(void)
{
	TEST("node_conf: keys that are not known, or of another section") {
		check_faults("[defaults]\nsriof = yes\n", ":2: 'sriof' is no key known to this version of pve-vgpu; did you mean 'sriov'?");
		check_faults("[defaults]\ncolour = 1\n", ":2: 'colour' is no key known to this version of pve-vgpu; remove the line");
		check_faults("[gpu A40]\nsriov-wait = 3\n", ":2: 'sriov-wait' is a key of [defaults]; move the line there");
		check_faults("[gpu A40]\ntype = A40-24A\n", ":2: 'type' is a key of a vGPU; move the line to its section [vgpu <uuid>]");
		check_faults("[vgpu " UUID "]\ntype = A40-24A\nsriov = yes\n", ":3: 'sriov' is a key of a GPU; move the line to [gpu <address>] or [defaults]");
		check_faults("[gpu A40]\nsriov = yes\nsriov = no\n", ":3: 'sriov' is there already, in line 2; remove one of the two");
		check_faults("[vgpu " UUID "]\nparams = a=1\n", ":1: [vgpu " UUID "] has no 'type'; add 'type = <name>'");
	}
	TEST("node_conf: headers that cannot be read, and sections that come twice") {
		check_faults("[vm 100]\n", ":1: '[vm 100]' is no section; write '[defaults]', '[gpu <address or board>]' or '[vgpu <uuid or address>]': what follows is not read");
		check_faults("[gpu 0000:3b:00]\n", ":1: section gpu: '0000:3b:00' is no PCI address and no board");
		check_faults("[gpu ]\n", ":1: section gpu: '' is no PCI address and no board");
		check_faults("gpu A40\n", ":1: 'gpu A40' is no section; write ");
		check_faults("[vgpu 1]\n", ":1: section vgpu: '1' is neither a UUID nor the address of a VF");
		check_faults("sriov = yes\n", ":1: 'sriov = yes' stands before any section; put ");
		check_faults("[gpu A40]\n[gpu a40]\n", ":2: section [gpu a40] is there already, in line 1; put the lines of both into one");
		check_faults("[gpu 3b:00.0]\n[gpu " GPU "]\n", ":2: section [gpu " GPU "] is there already, in line 1");
		check_faults("[vgpu " UUID "]\ntype = 1\n[vgpu " UUID "]\n", ":3: section [vgpu " UUID "] is there already, in line 1");
		check_faults("[defaults]\n[defaults]\n", ":2: section [defaults] is there already, in line 1");
	}
}

static void check_whom(void)
{
	TEST("node_conf: whom a fault concerns") {
		AUTO_NODE_CONF struct node_conf c = read_text("[gpu " GPU "]\nsriov = x\n[gpu 0000:5e:00.0]\nsriov = yes\n[gpu x/y]\n");
		AUTO_FREE char *own = of(&c, GPU);
		AUTO_FREE char *other = of(&c, "0000:5e:00.0");
		AUTO_FREE char *none = of(&c, "0000:86:00.0");

		CHECK_STR(own, F ":2: 'sriov': 'x' is neither 'yes' nor 'no'");
		CHECK_STR(other, "yes - - -");
		CHECK_HAS(none, F ":5: section gpu: 'x/y' is no PCI address and no board");
	}
	TEST("node_conf: a NUL byte concerns all") {
		static const char text[] = "[gpu " GPU "]\nsriov = yes\n\0\n";
		AUTO_NODE_CONF struct node_conf c;

		node_conf_parse(text, sizeof(text) - 1, F, &c);

		AUTO_FREE char *got = of(&c, GPU);

		CHECK_STR(got, F ":3: NUL byte in the line; write the file anew");
	}
}

int main(void)
{
	check_sections();
	check_values();
	check_keys_and_headers();
	check_whom();
	return tap_done();
}
