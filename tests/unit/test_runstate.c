/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "runstate.h"

#include <errno.h>

#include "tree.h"

#define STATE "run/pve-vgpu/100.json"

static struct vgpu mdev_vgpu(unsigned int index)
{
	struct vgpu v = {
		.framework = FRAMEWORK_MDEV, .on_gpu = true, .gpu = { 0, 0x3b, 0, 0 }, .parent = { 0, 0x3b, 0, 4 },
		.number = 575, .framebuffer_mib = 24576, .owner = OWNER_VM, .vmid = 100, .index = index, .exists = true,
	};

	v.parent_name = xstrdup("0000:3b:00.4");
	v.type = xstrdup("nvidia-575");
	v.name = xstrdup("A40-24A");
	vgpu_pve_uuid(100, index, v.uuid);
	return v;
}

static struct runstate two(void)
{
	struct runstate s = {
		.vmid = 100, .phase = RUN_RUNNING, .claimed_ms = 123456789012, .qemu = 4711, .attached = true,
	};

	for (unsigned int i = 0; i < 2; i++) {
		struct vgpu v = mdev_vgpu(i * 15);

		runstate_add(&s, &v);
		vgpu_clear(&v);
	}
	return s;
}

static int read_text(const char *text, struct err *e)
{
	AUTO_RUNSTATE struct runstate s = { 0 };

	tree_put(STATE, text);
	return runstate_read(&tree, 100, &s, e);
}

/* One vGPU, with one of its fields as given. */
static int read_vgpu_with(const char *field)
{
	AUTO_FREE char *text = xasprintf("{\"version\": 1, \"vmid\": 100, \"phase\": \"created\", \"vgpus\": [{"
		"\"index\": 0, \"framework\": \"nvidia-vfio\", \"gpu\": \"0000:3b:00.0\", \"parent\": \"0000:3b:00.4\", "
		"\"type\": \"nvidia-575\", %s}]}", field);

	return read_text(text, NULL);
}

static void test_vgpus_are_kept(void)
{
	TEST("runstate: what is written is what is read") {
		AUTO_RUNSTATE struct runstate s = two(), got = { 0 };

		CHECK_NUM(runstate_write(&tree, &s, NULL), 0);
		CHECK_NUM(runstate_read(&tree, 100, &got, NULL), 0);
		CHECK_NUM(got.vmid, 100);
		CHECK_NUM(got.phase, RUN_RUNNING);
		CHECK_NUM(got.claimed_ms, 123456789012);
		CHECK_NUM(got.qemu, 4711);
		CHECK(got.attached);
		CHECK_NUM(got.nvgpus, 2);
		CHECK_NUM(got.vgpus[1].index, 15);
		CHECK_STR(got.vgpus[1].uuid, s.vgpus[1].uuid);
		CHECK_STR(got.vgpus[1].type, "nvidia-575");
		CHECK_STR(got.vgpus[1].name, "A40-24A");
		CHECK_NUM(got.vgpus[1].number, 575);
		CHECK_NUM(got.vgpus[1].framebuffer_mib, 24576);
		CHECK(got.vgpus[1].exists && got.vgpus[1].on_gpu);
		CHECK_NUM(got.vgpus[1].owner, OWNER_VM);
		CHECK_NUM(got.vgpus[1].vmid, 100);
		CHECK(bdf_eq(&got.vgpus[1].parent, &s.vgpus[1].parent));
		CHECK_STR(got.vgpus[1].parent_name, "0000:3b:00.4");
	}
}

static void test_devices_are_kept(void)
{
	TEST("runstate: what the wrapper is to do is kept, too") {
		AUTO_RUNSTATE struct runstate s = two(), got = { 0 };
		AUTO_ERR struct err e = { 0 };
		char text[] = "frame_rate_limiter=0";
		const struct run_device *d;

		s.uuid = xstrdup("8f5c2a3e-0000-4000-8000-00000000abcd");
		s.smbios_uuid = xstrdup("8f5c2a3e-0000-4000-8000-00000000ABCD");
		s.no_vga = true;
		runstate_add_device(&s, &(struct run_device){ .index = 15, .add = true, .pcie = true, .x_vga = true,
							      .display = DISPLAY_AUTO, .ramfb = true });
		runstate_add_device(&s, &(struct run_device){ .index = 3, .params = text });
		CHECK_NUM(runstate_write(&tree, &s, &e), 0);
		CHECK_NUM(runstate_read(&tree, 100, &got, &e), 0);
		CHECK_STR(got.uuid, s.uuid);
		CHECK_STR(got.smbios_uuid, s.smbios_uuid);
		CHECK(got.no_vga);
		CHECK_NUM(got.ndevices, 2);
		d = runstate_device(&got, 15);
		CHECK(d && d->add && d->pcie && d->x_vga && d->ramfb && d->display == DISPLAY_AUTO && !d->params);
		d = runstate_device(&got, 3);
		CHECK(d && !d->add && !d->pcie && !d->x_vga && !d->ramfb && d->display == DISPLAY_UNSET);
		CHECK_STR(d ? d->params : NULL, text);
		CHECK(!runstate_device(&got, 0));
	}
}

static void test_when_devices_are_on_file(void)
{
	TEST("runstate: a record may have devices alone, and goes with the last of them") {
		AUTO_RUNSTATE struct runstate s = { .vmid = 100 }, got = { 0 };
		AUTO_ERR struct err e = { 0 };
		char text[] = "a=1";

		runstate_add_device(&s, &(struct run_device){ .index = 0, .params = text });
		CHECK_NUM(runstate_write(&tree, &s, &e), 0);
		CHECK_NUM(runstate_read(&tree, 100, &got, &e), 0);
		CHECK_NUM(got.nvgpus, 0);
		CHECK_NUM(got.ndevices, 1);
		runstate_clear_devices(&s);
		CHECK_NUM(runstate_write(&tree, &s, &e), 0);
		CHECK(!root_exists(&tree, STATE));
	}
	TEST("runstate: a device that is to be added is not on file while its vGPU has no place") {
		AUTO_RUNSTATE struct runstate s = two(), got = { 0 };

		runstate_add_device(&s, &(struct run_device){ .index = 0, .add = true });
		runstate_add_device(&s, &(struct run_device){ .index = 15, .add = true });
		runstate_drop(&s, 1);
		CHECK_NUM(runstate_write(&tree, &s, NULL), 0);
		CHECK_NUM(runstate_read(&tree, 100, &got, NULL), 0);
		CHECK_NUM(got.ndevices, 1);
		CHECK_NUM(s.ndevices, 2);
		runstate_drop(&s, 0);
		CHECK_NUM(runstate_write(&tree, &s, NULL), 0);
		CHECK(!root_exists(&tree, STATE));
	}
}

static void test_modes_are_kept(void)
{
	TEST("runstate: the modes are kept, and one that is not known is none") {
		AUTO_RUNSTATE struct runstate s = two(), got = { 0 }, odd = { 0 };

		s.modes[0] = MODE_ARGS;
		s.modes[15] = MODE_WRAPPER;
		CHECK_NUM(runstate_write(&tree, &s, NULL), 0);
		CHECK_NUM(runstate_read(&tree, 100, &got, NULL), 0);
		CHECK_NUM(got.modes[0], MODE_ARGS);
		CHECK_NUM(got.modes[15], MODE_WRAPPER);
		CHECK_NUM(got.modes[1], MODE_UNSET);

		AUTO_FREE char *text = tree_get(STATE);
		char *at = strstr(text, "wrapper");

		CHECK(at);
		if (at)
			memcpy(at, "vrapper", 7);
		tree_put(STATE, text);
		CHECK_NUM(runstate_read(&tree, 100, &odd, NULL), 0);
		CHECK_NUM(odd.modes[15], MODE_UNSET);
	}
}

static void test_impossible_devices(void)
{
	TEST("runstate: devices that cannot be are damaged") {
		static const char *const bad[] = {
			"{\"index\": 16}", "{}", "{\"index\": 0, \"add\": true}",
			"{\"index\": 0, \"display\": \"yes\"}", "{\"index\": 0, \"params\": \"a\\n=1\"}",
			"{\"index\": 0}, {\"index\": 0}",
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			AUTO_FREE char *text = xasprintf("{\"version\": 1, \"vmid\": 100, \"phase\": \"created\", "
							 "\"vgpus\": [], \"devices\": [%s]}", bad[i]);

			CHECK_NUM(read_text(text, NULL), -EBADMSG);
		}
		CHECK_NUM(read_text("{\"version\": 1, \"vmid\": 100, \"phase\": \"created\", \"uuid\": \"x,y\", "
				    "\"vgpus\": [], \"devices\": [{\"index\": 0}]}", NULL), -EBADMSG);
	}
}

static void test_half_a_record(void)
{
	TEST("runstate: a prefix of a record, however long, is damaged and never half read") {
		AUTO_RUNSTATE struct runstate s = two();

		CHECK_NUM(runstate_write(&tree, &s, NULL), 0);
		AUTO_FREE char *whole = tree_get(STATE);
		size_t len = strlen(whole) - 1;

		for (size_t i = 0; i < len; i++) {
			AUTO_FREE char *part = xstrndup(whole, i);

			if (read_text(part, NULL) != -EBADMSG)
				CHECK_NUM(i, 0);
		}
	}
}

static void test_last_vgpu_takes_the_file(void)
{
	TEST("runstate: the last vGPU that goes takes the file along") {
		AUTO_RUNSTATE struct runstate s = two();

		CHECK_NUM(runstate_write(&tree, &s, NULL), 0);
		runstate_drop(&s, 0);
		CHECK_NUM(s.nvgpus, 1);
		CHECK(!runstate_index(&s, 0) && runstate_index(&s, 15));
		CHECK_NUM(runstate_write(&tree, &s, NULL), 0);
		CHECK(root_exists(&tree, STATE));
		runstate_drop(&s, 0);
		CHECK_NUM(runstate_write(&tree, &s, NULL), 0);
		CHECK(!root_exists(&tree, STATE));
		CHECK_NUM(runstate_write(&tree, &s, NULL), 0);
		CHECK_NUM(runstate_read(&tree, 100, &s, NULL), -ENOENT);
	}
}

static void test_versions(void)
{
	TEST("runstate: versions") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(read_text("{\"version\": 2}", &e), -EPROTO);
		CHECK_STR(e.msg, "run state '/run/pve-vgpu/100.json' was written by a newer version of pve-vgpu");
		CHECK_HAS(e.hint, "upgrade pve-vgpu");
		CHECK_NUM(read_text("{\"version\": 9223372036854775807, \"x\": []}", NULL), -EPROTO);
		CHECK_NUM(read_text("{\"version\": 0}", NULL), -EBADMSG);
		CHECK_NUM(read_text("{\"version\": -1}", NULL), -EBADMSG);
		CHECK_NUM(read_text("{\"version\": \"1\"}", NULL), -EBADMSG);
	}
}

static void test_no_record_of_this_vm(void)
{
	TEST("runstate: what is no record of this VM is damaged") {
		static const char *const bad[] = {
			"", " ", "{", "[]", "null", "1", "{}", "{\"version\": 1}", "{\"version\": 1}{}",
			"{\"version\": 1, \"vmid\": 100, \"phase\": \"created\"}",
			"{\"version\": 1, \"vmid\": 100, \"phase\": \"created\", \"vgpus\": {}}",
			"{\"version\": 1, \"vmid\": 100, \"phase\": \"dancing\", \"vgpus\": []}",
			"{\"version\": 1, \"vmid\": 100, \"phase\": 1, \"vgpus\": []}",
			"{\"version\": 1, \"vmid\": 100, \"vgpus\": []}",
			"{\"version\": 1, \"vmid\": 101, \"phase\": \"created\", \"vgpus\": []}",
			"{\"version\": 1, \"vmid\": 4294967396, \"phase\": \"created\", \"vgpus\": []}",
			"{\"version\": 1, \"vmid\": null, \"phase\": \"created\", \"vgpus\": []}",
			"{\"version\": 1, \"vmid\": 100, \"phase\": \"created\", \"vgpus\": [null]}",
			"{\"version\": 1, \"vmid\": 100, \"phase\": \"created\", \"vgpus\": [{}]}",
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			AUTO_ERR struct err e = { 0 };

			CHECK_NUM(read_text(bad[i], &e), -EBADMSG);
			CHECK_HAS(e.msg, "run state '/run/pve-vgpu/100.json' ");
		}
	}
}

/* A record of one vGPU, with more in the vGPU or behind it; and one with a device. */
#define VGPU "{\"index\": 0, \"framework\": \"mdev\", \"gpu\": \"0000:67:00.0\", \"parent\": \"0000:67:00.4\", " \
	"\"type\": \"nvidia-575\", \"uuid\": \"00000000-0000-0000-0000-000000000100\""
#define RECORD(vgpu, rest) "{\"version\": 1, \"vmid\": 100, \"phase\": \"created\", \"vgpus\": [" VGPU vgpu "}]" rest "}"
#define DEVICE(text) RECORD("", ", \"devices\": [{\"index\": 0, " text "}]")

static void test_fields_of_another_type(void)
{
	TEST("runstate: a field of another type is damaged, and not as if it were not there") {
		static const char *const bad[] = {
			RECORD("", ", \"uuid\": 5"), RECORD("", ", \"smbios_uuid\": 5"), RECORD("", ", \"devices\": {}"), RECORD("", ", \"devices\": \"x\""),
			RECORD("", ", \"no_vga\": 1"), RECORD("", ", \"attached\": \"yes\""),
			RECORD("", ", \"qemu\": \"1\""), RECORD("", ", \"claimed_ms\": \"1\""),
			RECORD(", \"created\": 1", ""), RECORD(", \"name\": {}", ""), RECORD(", \"mode\": 1", ""),
			DEVICE("\"add\": \"yes\""), DEVICE("\"params\": 3"), DEVICE("\"display\": true"),
			DEVICE("\"x_vga\": 1"), DEVICE("\"pcie\": 1"), DEVICE("\"ramfb\": \"no\""),
		};
		static const char *const good[] = {
			RECORD("", ""), RECORD("", ", \"uuid\": null, \"devices\": null"),
			RECORD("", ", \"other\": {}"), DEVICE("\"add\": true, \"params\": null"),
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK_NUM(read_text(bad[i], NULL), -EBADMSG);
		for (size_t i = 0; i < ARRAY_SIZE(good); i++)
			CHECK_NUM(read_text(good[i], NULL), 0);
	}
}

static void test_impossible_vgpus(void)
{
	TEST("runstate: fields of a vGPU that cannot be are damaged, and none becomes a path") {
		static const char *const bad[] = {
			"\"index\": 16", "\"index\": -1", "\"index\": \"0\"", "\"framework\": \"vf\"", "\"gpu\": \"../..\"",
			"\"parent\": \"0000:3b:00.4/..\"", "\"type\": \"\"", "\"type\": \"../x\"", "\"type\": \"foo\"",
			"\"type\": \"nvidia-0\"", "\"type\": null",
			"\"framework\": \"mdev\"", "\"framework\": \"mdev\", \"uuid\": \"../../../etc\"",
			"\"framework\": \"mdev\", \"uuid\": \"00000000-0000-0000-0000-00000000010/\"",
			"\"framework\": \"mdev\", \"uuid\": \"00000000-0000-0000-0000-000000000100\", \"type\": \" \\n\"",
			"\"framework\": \"mdev\", \"uuid\": \"00000000-0000-0000-0000-000000000100\", \"type\": \"\"",
			"\"framework\": \"mdev\", \"uuid\": \"00000000-0000-0000-0000-000000000100\", \"type\": \"../x\"",
		};

		CHECK_NUM(read_vgpu_with("\"name\": null"), 0);
		CHECK_NUM(read_vgpu_with("\"framework\": \"mdev\", \"uuid\": \"00000000-0000-0000-0000-000000000100\""), 0);
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			if (read_vgpu_with(bad[i]) != -EBADMSG)
				CHECK_STR(bad[i], "damaged");
	}
}

static void test_list_read(void)
{
	TEST("runstate_list_read: reads what is one, and names the rest") {
		AUTO_RUNSTATE_LIST struct runstate_list l = { 0 };
		AUTO_STRLIST struct strlist problems = { 0 };
		AUTO_RUNSTATE struct runstate s = two(), alone = { .phase = RUN_CREATED };
		struct vgpu v = mdev_vgpu(0);

		v.vmid = 0;
		runstate_add(&alone, &v);
		vgpu_clear(&v);
		CHECK_NUM(runstate_write(&tree, &s, NULL), 0);
		CHECK_NUM(runstate_write(&tree, &alone, NULL), 0);
		tree_put("run/pve-vgpu/101.json", "{");
		tree_put("run/pve-vgpu/102.json", "{\"version\": 3}");
		tree_put("run/pve-vgpu/.100.json.1.tmp", "{");
		tree_put("run/pve-vgpu/notes", "{");
		CHECK_NUM(runstate_list_read(&tree, &l, &problems, NULL), 0);
		CHECK_NUM(l.n, 2);
		CHECK_NUM(l.s[0].vmid, 100);
		CHECK_NUM(l.s[1].vmid, 0);
		CHECK_NUM(l.s[1].vgpus[0].owner, OWNER_STANDALONE);
		CHECK_NUM(problems.n, 2);
		CHECK_HAS(problems.s[0], "101.json' is damaged");
		CHECK_HAS(problems.s[1], "102.json' was written by a newer version");
	}
}

static void test_merge(void)
{
	TEST("runstate_merge: a claim takes its place before anything is there, and only once") {
		AUTO_RUNSTATE struct runstate s = two();
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct vgpu v = mdev_vgpu(0);

		v.owner = OWNER_UNKNOWN;
		v.vmid = 0;
		inventory_add(&inv, &v);
		vgpu_clear(&v);
		runstate_merge(&s, 1, &inv);
		runstate_merge(&s, 1, &inv);
		CHECK_NUM(inv.nvgpus, 2);
		CHECK_NUM(inv.vgpus[0].owner, OWNER_VM);
		CHECK_NUM(inv.vgpus[0].vmid, 100);
		CHECK(inv.vgpus[0].exists);
		CHECK(!inv.vgpus[1].exists);
		CHECK_NUM(inv.vgpus[1].made, s.vgpus[1].exists);
		CHECK_NUM(inv.vgpus[1].index, 15);
	}
}

static void test_merge_of_another_type(void)
{
	TEST("runstate_merge: a VF that holds another type is somebody else's by now") {
		AUTO_RUNSTATE struct runstate s = { .vmid = 100 };
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct vgpu v = mdev_vgpu(0);

		v.framework = FRAMEWORK_NVIDIA_VFIO;
		*v.uuid = '\0';
		runstate_add(&s, &v);
		v.owner = OWNER_UNKNOWN;
		v.vmid = 0;
		v.number = 562;
		inventory_add(&inv, &v);
		vgpu_clear(&v);
		runstate_merge(&s, 1, &inv);
		CHECK_NUM(inv.nvgpus, 2);
		CHECK_NUM(inv.vgpus[0].owner, OWNER_UNKNOWN);
		CHECK_NUM(inv.vgpus[0].vmid, 0);
		CHECK(inv.vgpus[1].made);
		inv.vgpus[0].number = 575;
		runstate_merge(&s, 1, &inv);
		CHECK_NUM(inv.nvgpus, 2);
		CHECK_NUM(inv.vgpus[0].vmid, 100);
	}
}

static void test_merge_fills_in(void)
{
	TEST("runstate_merge: what the record alone knows of a vGPU is filled in") {
		AUTO_RUNSTATE struct runstate s = two();
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct vgpu v = mdev_vgpu(0);

		v.exists = false;
		v.framebuffer_mib = 0;
		free(take_ptr(v.name));
		inventory_add(&inv, &v);
		vgpu_clear(&v);
		runstate_merge(&s, 1, &inv);
		CHECK(inv.vgpus[0].made);
		CHECK_NUM(inv.vgpus[0].framebuffer_mib, 24576);
		CHECK_STR(inv.vgpus[0].name, "A40-24A");
	}
}

static void test_mark_pve(void)
{
	TEST("runstate_mark_pve: a UUID of qemu-server's pattern is PVE's, unless it is somebody's already") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct vgpu v = mdev_vgpu(1);

		v.owner = OWNER_STANDALONE;
		v.vmid = v.index = 0;
		inventory_add(&inv, &v);
		runstate_mark_pve(&inv);
		CHECK_NUM(inv.vgpus[0].owner, OWNER_STANDALONE);
		CHECK_NUM(inv.vgpus[0].vmid, 0);
		inv.vgpus[0].owner = OWNER_UNKNOWN;
		runstate_mark_pve(&inv);
		CHECK_NUM(inv.vgpus[0].owner, OWNER_PVE);
		CHECK_NUM(inv.vgpus[0].vmid, 100);
		CHECK_NUM(inv.vgpus[0].index, 1);
		vgpu_clear(&v);
	}
}

int main(void)
{
	tree_begin();

	test_vgpus_are_kept();
	test_devices_are_kept();
	test_when_devices_are_on_file();
	test_modes_are_kept();
	test_impossible_devices();
	test_half_a_record();
	test_last_vgpu_takes_the_file();
	test_versions();
	test_no_record_of_this_vm();
	test_fields_of_another_type();
	test_impossible_vgpus();
	test_list_read();
	test_merge();
	test_merge_of_another_type();
	test_merge_fills_in();
	test_mark_pve();
	return tap_done();
}
