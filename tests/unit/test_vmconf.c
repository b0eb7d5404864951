/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "scratch.h"
#include "tap.h"
#include "vmconf.h"
#include "vmconf_file.h"
#include "xalloc.h"

static struct vmconf parse(const char *text)
{
	struct vmconf c = { 0 };
	AUTO_ERR struct err e = { 0 };

	CHECK_NUM(vmconf_parse(text, strlen(text), "/100.conf", &c, &e), 0);
	return c;
}

static void test_keys(void)
{
	TEST("vmconf: reads the keys of a whole configuration") {
		AUTO_VMCONF struct vmconf c = parse(
			"#a comment: 1\n"
			"affinity: 0-3\n"
			"args: -device foo,id=x  -uuid y\n"
			"bios: ovmf\n"
			"boot: order=scsi0\n"
			"hookscript: local:snippets/pve-vgpu\n"
			"hostpci1: 0000:3b:00.4,mdev=nvidia-558,pcie=1\n"
			"machine: pc-q35-9.0\n"
			"meta: creation-qemu=9.0.0,ctime=1720000000\n"
			"name: web\n"
			"numa: 1\n"
			"smbios1: uuid=8a3f2c1d-0b1a-4c5d-9e8f-aabbccddeeff\n"
			"template: 1\n"
			"vga: none\n");

		CHECK_STR(c.affinity, "0-3");
		CHECK_STR(c.args, "-device foo,id=x  -uuid y");
		CHECK_STR(c.bios, "ovmf");
		CHECK_STR(c.hookscript, "local:snippets/pve-vgpu");
		CHECK_STR(c.machine, "pc-q35-9.0");
		CHECK_STR(c.meta, "creation-qemu=9.0.0,ctime=1720000000");
		CHECK_STR(c.name, "web");
		CHECK_STR(c.smbios1, "uuid=8a3f2c1d-0b1a-4c5d-9e8f-aabbccddeeff");
		CHECK_STR(c.vga, "none");
		CHECK(c.numa);
		CHECK(c.template);
		CHECK(!c.hostpci[0].present);
		CHECK_STR(c.hostpci[1].mdev, "nvidia-558");
	}
}

static void test_hostnodes(void)
{
	TEST("vmconf: the NUMA nodes of the VM's memory, where numa is on") {
		static const struct {
			const char *text, *want;
		} cases[] = {
			{ "numa: 1\nnuma0: cpus=0-3,hostnodes=0,memory=1024,policy=bind\n", "0" },
			{ "numa1: cpus=4-7,hostnodes=1;3-4,memory=1024,policy=bind\nnuma: 1\nnuma0: cpus=0-3,hostnodes=2\n", "2,1,3-4" },
			{ "numa: 1\nnuma7: hostnodes=5\nnuma8: hostnodes=6\nnuma00: hostnodes=7\n", "5" },
			{ "numa: 1\nnuma0: cpus=0-3,memory=1024\n", NULL },
			{ "numa: 1\nnuma0: cpus=0,hostnodes=a\nnuma1: cpus=1,hostnodes=0,hostnodes=1\n", NULL },
			{ "numa: 0\nnuma0: cpus=0-3,hostnodes=0\n", NULL },
			{ "numa0: cpus=0-3,hostnodes=0\n", NULL },
			{ "numa: 1\n[snap]\nnuma0: cpus=0-3,hostnodes=0\n", NULL },
		};

		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			AUTO_VMCONF struct vmconf c = parse(cases[i].text);
			AUTO_FREE char *got = vmconf_hostnodes(&c);

			CHECK_STR(got, cases[i].want);
		}
	}
}

static void test_empty_file(void)
{
	TEST("vmconf: an empty file has nothing") {
		AUTO_VMCONF struct vmconf c = parse("");

		CHECK(!c.name && !c.args && !c.numa && !c.template && !c.hostpci[0].present);
	}
}

static void test_sections(void)
{
	TEST("vmconf: only what stands before the first section counts") {
		static const char *const sections[] = {
			"[PENDING]", "[pending]", "[snap-1]", "[special:cloudinit]", "[what is this?]  ",
			"[]", "[x]\r",
		};

		for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
			AUTO_FREE char *text = xasprintf("name: now\n%s\nname: then\nargs: -x\n",
							 sections[i]);
			AUTO_VMCONF struct vmconf c = parse(text);

			CHECK_STR(c.name, "now");
			CHECK_STR(c.args, NULL);
		}
	}
	TEST("vmconf: a line that only looks like a section is passed over") {
		AUTO_VMCONF struct vmconf c = parse("name: a\n [snap]\nname: b\n[snap] x\n[y\nname: c\n");

		CHECK_STR(c.name, "c");
	}
}

static void test_repeated_lines(void)
{
	TEST("vmconf: the last of several lines holds") {
		AUTO_VMCONF struct vmconf c = parse("name: a\nargs: -a\nnuma: 1\nname: b\nargs: -b\nnuma: 0\n");

		CHECK_STR(c.name, "b");
		CHECK_STR(c.args, "-b");
		CHECK(!c.numa);
	}
	TEST("vmconf: a value that PVE drops leaves the one before it in force") {
		AUTO_VMCONF struct vmconf c = parse(
			"numa: yes\nnuma: perhaps\n"
			"name: a\nname:\nname: \nname: b\rc\n"
			"hostpci0: 0000:01:00.0\nhostpci0: nonsense\n");

		CHECK(c.numa);
		CHECK_STR(c.name, "a");
		CHECK(!c.hostpci[0].bad);
		CHECK_STR(c.hostpci[0].raw, "0000:01:00.0");
	}
}

static void test_description(void)
{
	TEST("vmconf: the description is never read for keys") {
		AUTO_VMCONF struct vmconf c = parse("#args: -x\n# hostpci0: 01:00.0\ndescription: args: -x\n");

		CHECK_STR(c.args, NULL);
		CHECK(!c.hostpci[0].present);
	}
}

static void test_bytes_of_a_value(void)
{
	TEST("vmconf: blanks around a value go, those within stay") {
		AUTO_VMCONF struct vmconf c = parse("name:web\nmachine: \t q35 \t\nargs:   -a  'b  c'\t d  \r\nvga: std\r\n");

		CHECK_STR(c.name, "web");
		CHECK_STR(c.machine, "q35");
		CHECK_STR(c.args, "-a  'b  c'\t d");
		CHECK_STR(c.vga, "std");
	}
	TEST("vmconf: args keeps its bytes") {
		AUTO_VMCONF struct vmconf c = parse("args: \"-x\" \xc3\xbc \xff \\ # ; = [y]\n");

		CHECK_STR(c.args, "\"-x\" \xc3\xbc \xff \\ # ; = [y]");
	}
}

static void test_args_of_blanks(void)
{
	TEST("vmconf: args of blanks alone is empty, args of nothing is no line") {
		AUTO_VMCONF struct vmconf blank = parse("args: -x\nargs:  \n");
		AUTO_VMCONF struct vmconf none = parse("args: -x\nargs:\n");

		CHECK_STR(blank.args, "");
		CHECK_STR(none.args, "-x");
	}
}

static void test_lines_passed_over(void)
{
	TEST("vmconf: lines that are none are passed over") {
		AUTO_VMCONF struct vmconf c = parse(
			"Name: a\n name: b\nname : c\nname=d\n: e\nnameless: f\nname1: g\n"
			"args2: -x\nna.me: h\n\n   \n\t\n");

		CHECK_STR(c.name, NULL);
		CHECK_STR(c.args, NULL);
	}
	TEST("vmconf: a line that ends in a snapshot's state is taken for that") {
		AUTO_VMCONF struct vmconf c = parse("args: -x snapstate: delete\nname: snapstate:prepare \n"
						    "vga: snapstate: other\n");

		CHECK_STR(c.args, NULL);
		CHECK_STR(c.name, NULL);
		CHECK_STR(c.vga, "snapstate: other");
	}
}

static void test_booleans(void)
{
	TEST("vmconf: booleans are PVE's words") {
		static const char *const yes[] = { "1", "on", "yes", "true", "On", "YES" };
		static const char *const no[] = { "0", "off", "no", "false", "2", "y", "1x" };

		for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
			AUTO_FREE char *text = xasprintf("template: %s\n", yes[i]);
			AUTO_VMCONF struct vmconf c = parse(text);

			CHECK(c.template);
		}
		for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
			AUTO_FREE char *text = xasprintf("template: %s\n", no[i]);
			AUTO_VMCONF struct vmconf c = parse(text);

			CHECK(!c.template);
		}
	}
}

static void test_quotes(void)
{
	TEST("vmconf: quotes around bios go, as in check_type()") {
		AUTO_VMCONF struct vmconf c = parse("bios: \"ovmf\"\n"), one = parse("bios: \"\n");

		CHECK_STR(c.bios, "ovmf");
		CHECK_STR(one.bios, "\"");
	}
}

static void test_long_line(void)
{
	TEST("vmconf: lines may be of any length") {
		AUTO_FREE char *text = xcalloc((1 << 20) + 32, 1);

		strcpy(text, "args: ");
		memset(text + 6, 'x', 1 << 20);
		strcat(text, "\nname: a");

		AUTO_VMCONF struct vmconf c = parse(text);

		CHECK_NUM(strlen(c.args), 1 << 20);
		CHECK_STR(c.name, "a");
	}
}

static void test_nul_byte(void)
{
	TEST("vmconf: a NUL byte is refused with its line") {
		static const char text[] = "name: a\nargs: -x\0y\n";
		AUTO_ERR struct err e = { 0 };
		struct vmconf c = { .numa = true };

		CHECK_NUM(vmconf_parse(text, sizeof(text) - 1, "/100.conf", &c, &e), -EINVAL);
		CHECK_STR(e.msg, "/100.conf:2: NUL byte in the line");
		CHECK(c.numa);
	}
}

static void check_bad(const char *value)
{
	struct hostpci h;

	hostpci_parse(value, &h);
	if (!h.bad)
		printf("# not refused: '%s'\n", value);
	CHECK(h.present && h.bad);
	CHECK_STR(h.raw, value);
	CHECK(!h.mapping && !h.mdev && !h.hosts.n && !h.has_addr && !h.pcie && !h.x_vga);
	hostpci_free(&h);
}

static void test_hostpci(void)
{
	struct hostpci h;

	TEST("hostpci: reads an address, mdev and flags") {
		hostpci_parse("0000:3b:00.4,mdev=nvidia-558,pcie=1,x-vga=on,rombar=0", &h);
		CHECK(h.present && !h.bad && h.has_addr && h.pcie && h.x_vga);
		CHECK_STR(BDF_STR(&h.addr), "0000:3b:00.4");
		CHECK_STR(h.mdev, "nvidia-558");
		CHECK_STR(h.mapping, NULL);
		CHECK_STR(h.raw, "0000:3b:00.4,mdev=nvidia-558,pcie=1,x-vga=on,rombar=0");
		hostpci_free(&h);
	}
	TEST("hostpci: host= may be written, and stand anywhere") {
		hostpci_parse("mdev=nvidia-558,host=3b:00.4", &h);
		CHECK(!h.bad && h.has_addr);
		CHECK_STR(BDF_STR(&h.addr), "0000:3b:00.4");
		CHECK_STR(h.hosts.s[0], "3b:00.4");
		hostpci_free(&h);
	}
	TEST("hostpci: a domain has four digits or more") {
		hostpci_parse("10000:3b:00.4", &h);
		CHECK(!h.bad && h.has_addr);
		CHECK_STR(BDF_STR(&h.addr), "10000:3b:00.4");
		hostpci_free(&h);
		hostpci_parse("000:3b:00.4", &h);
		CHECK(h.bad);
		hostpci_free(&h);
	}
	TEST("hostpci: a whole device has no function to name") {
		hostpci_parse("01:00", &h);
		CHECK(!h.bad && !h.has_addr);
		CHECK_STR(h.hosts.s[0], "01:00");
		hostpci_free(&h);
	}
	TEST("hostpci: several hosts have no one address") {
		hostpci_parse("01:00.0;0000:02:00.1", &h);
		CHECK(!h.bad && !h.has_addr);
		CHECK_NUM(h.hosts.n, 2);
		CHECK_STR(h.hosts.s[1], "0000:02:00.1");
		hostpci_free(&h);
	}
	TEST("hostpci: reads a mapping") {
		hostpci_parse("mapping=a40-pool_1,mdev=nvidia-558", &h);
		CHECK(!h.bad && !h.has_addr && !h.hosts.n);
		CHECK_STR(h.mapping, "a40-pool_1");
		hostpci_free(&h);
	}
	TEST("hostpci: keys of a newer qemu-server pass, empty parts too") {
		hostpci_parse("01:00.0,, ,driver=keep,vendor-id=0x10de,romfile=a b=c.rom,", &h);
		CHECK(!h.bad && h.has_addr);
		hostpci_free(&h);
	}
	TEST("hostpci: a name where an id belongs parses, as in PVE") {
		hostpci_parse("01:00.0,mdev=A40-24A", &h);
		CHECK(!h.bad);
		CHECK_STR(h.mdev, "A40-24A");
		hostpci_free(&h);
	}
}

static void test_hostpci_refused(void)
{
	TEST("hostpci: what qemu-server refuses is kept as it is, and marked") {
		static const char *const bad[] = {
			"nonsense", "", " ", ",", "mdev=nvidia-558", "01:00.0,mapping=x1",
			"01:00.0,host=01:00.1", "01:00.0,02:00.0", "01:00.0,mdev=a,mdev=b",
			"01:00.0,mdev=", "01:00.0,=x", "01:00.0,pcie=maybe", "01:00.0,x-vga=2",
			"01:00.0,mdev=a/b", "01:00.0,mdev=a.b", "01:00.0,mdev=a:b", "01:00.0;",
			";01:00.0", "01:00.0; 02:00.0", "01:00.0 ", "3B:00.4", "001:00:00.0", "1:00.0",
			"01:00.", "01:00.00", "01:00.0,PCIE=1", "01:00.0, pcie=1", "mapping=1x",
			"mapping=x", "mapping=a/b",
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			check_bad(bad[i]);
	}
}

static void test_hostpci_lines(void)
{
	TEST("hostpci: there are hostpci0 to hostpci15, written so") {
		AUTO_VMCONF struct vmconf c = parse(
			"hostpci0: 01:00.0\nhostpci15: 0f:00.0\nhostpci16: 10:00.0\n"
			"hostpci01: 11:00.0\nhostpci: 12:00.0\nhostpci99999999999999999999: 13:00.0\n");

		CHECK_STR(c.hostpci[0].raw, "01:00.0");
		CHECK_STR(c.hostpci[15].raw, "0f:00.0");
		CHECK(!c.hostpci[1].present);
	}
	TEST("hostpci: a good line takes the place of a bad one") {
		AUTO_VMCONF struct vmconf c = parse("hostpci0: nonsense\nhostpci0: 01:00.0\n");

		CHECK(!c.hostpci[0].bad);
		CHECK_STR(c.hostpci[0].raw, "01:00.0");
	}
}

static void check_property(const char *text, const char *key, const char *def, const char *want)
{
	AUTO_FREE char *got = vmconf_property(text, key, def);

	CHECK_STR(got, want);
}

static void test_property(void)
{
	TEST("vmconf_property: finds a key, or the one that needs no name") {
		check_property("uuid=abc,serial=x=y", "uuid", NULL, "abc");
		check_property("uuid=abc,serial=x=y", "serial", NULL, "x=y");
		check_property("virtio,memory=32", "type", "type", "virtio");
		check_property("type=virtio,memory=32", "type", "type", "virtio");
		check_property("virtio", "type", NULL, NULL);
		check_property("uuid=abc", "serial", NULL, NULL);
		check_property("", "uuid", "uuid", NULL);
	}
	TEST("vmconf_property: a string PVE refuses has no values") {
		check_property("uuid=a,uuid=b", "uuid", NULL, NULL);
		check_property("uuid=a,serial=", "uuid", NULL, NULL);
		check_property("=x,uuid=a", "uuid", NULL, NULL);
	}
}

static void put(const struct root *r, const char *path, const char *text)
{
	AUTO_FREE char *dir = xstrdup(path);
	AUTO_ERR struct err e = { 0 };

	*strrchr(dir, '/') = '\0';
	CHECK_NUM(root_mkdir(r, dir, &e), 0);
	CHECK_NUM(root_replace(r, path, text, 0644, &e), 0);
}

static void test_read(const struct root *r)
{
	TEST("vmconf_read: reads this node's configuration") {
		AUTO_VMCONF struct vmconf c = { 0 };
		AUTO_VMCONF struct vmconf d = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(vmconf_read(r, 100, NULL, &c, &e), 0);
		CHECK_STR(c.name, "here");
		CHECK_NUM(vmconf_read(r, 100, "", &d, &e), 0);
		CHECK_STR(d.name, "here");
	}
	TEST("vmconf_read: an incoming migration's lies with the source node") {
		AUTO_VMCONF struct vmconf c = { 0 };

		CHECK_NUM(vmconf_read(r, 101, "pve-2.lan", &c, NULL), 0);
		CHECK_STR(c.name, "there");
	}
	TEST("vmconf_read: once it has moved, this node's is read") {
		AUTO_VMCONF struct vmconf c = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(vmconf_read(r, 100, "pve-2.lan", &c, &e), 0);
		CHECK_STR(c.name, "here");
		CHECK_STR(e.msg, NULL);
	}
}

static void test_no_config(const struct root *r)
{
	TEST("vmconf_read: says where it looked") {
		struct vmconf c;
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(vmconf_read(r, 102, NULL, &c, &e), -ENOENT);
		CHECK_STR(e.msg, "VM 102 has no configuration at '/etc/pve/qemu-server/102.conf'");
		CHECK_HAS(e.hint, "qm list");
		CHECK_NUM(vmconf_read(r, 102, "pve-2.lan", &c, &e), -ENOENT);
		CHECK_STR(e.msg, "VM 102 has no configuration at "
			  "'/etc/pve/nodes/pve-2.lan/qemu-server/102.conf' nor at "
			  "'/etc/pve/qemu-server/102.conf'");
		CHECK_HAS(e.hint, "pve-cluster");
	}
	TEST("vmconf_read: what is no node name does not become a path") {
		static const char *const bad[] = {
			"..", ".", "a/b", "../nodes/pve-2.lan", "a b", ".hidden", "a\nb", "n\xc3\xb6", "a_b",
		};
		AUTO_FREE char *longest = xcalloc(255, 1);
		struct vmconf c;

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK_NUM(vmconf_read(r, 100, bad[i], &c, NULL), -EINVAL);
		memset(longest, 'a', 254);
		CHECK_NUM(vmconf_read(r, 100, longest, &c, NULL), -EINVAL);

		AUTO_ERR struct err e = { 0 };

		vmconf_read(r, 100, "a\n/b", &c, &e);
		CHECK_STR(e.msg, "VM 100 migrates from 'a\\n/b', which is no node name");
	}
}

static void test_file(const char *dir)
{
	struct root r = ROOT_CLOSED;

	TEST("a root with configs in it") {
		CHECK_NUM(root_open(&r, dir, NULL), 0);
		put(&r, "etc/pve/qemu-server/100.conf", "name: here\n");
		put(&r, "etc/pve/qemu-server/101.conf", "name: local\n");
		put(&r, "etc/pve/nodes/pve-2.lan/qemu-server/101.conf", "name: there\n");
	}
	test_read(&r);
	test_no_config(&r);
	root_close(&r);
}

static bool has_cloudinit(const char *line)
{
	AUTO_VMCONF struct vmconf c = { 0 };

	CHECK_NUM(vmconf_parse(line, strlen(line), "f", &c, NULL), 0);
	return c.cloudinit;
}

static void test_cloudinit(void)
{
	TEST("the drive for cloud-init's data, by its volume alone") {
		CHECK(has_cloudinit("ide2: local:100/vm-100-cloudinit.qcow2,media=cdrom"));
		CHECK(has_cloudinit("scsi1: local-lvm:vm-100-cloudinit,media=cdrom"));
		CHECK(has_cloudinit("sata0: file=local:cloudinit"));
		CHECK(!has_cloudinit("ide2: local:iso/vm-100-cloudinit-x.iso,media=cdrom"));
		CHECK(!has_cloudinit("ide2: local:iso/my-cloudinit.iso"));
		CHECK(!has_cloudinit("ide2: none,media=cdrom"));
		CHECK(!has_cloudinit("virtio0: local-lvm:vm-100-cloudinit"));
		CHECK(!has_cloudinit("scsihw: local-lvm:vm-100-cloudinit"));
		CHECK(!has_cloudinit("name: x:cloudinit"));
	}
}

int main(void)
{
	AUTO_FREE char *dir = NULL;

	test_keys();
	test_hostnodes();
	test_empty_file();
	test_sections();
	test_repeated_lines();
	test_description();
	test_bytes_of_a_value();
	test_args_of_blanks();
	test_lines_passed_over();
	test_booleans();
	test_quotes();
	test_long_line();
	test_nul_byte();
	test_hostpci();
	test_hostpci_refused();
	test_hostpci_lines();
	test_property();
	test_cloudinit();
	TEST("a directory for files") {
		dir = scratch_make();
		CHECK_NUM(access(dir, W_OK | X_OK), 0);
	}
	test_file(dir);
	TEST("the directory goes again") {
		CHECK_NUM(scratch_remove(dir), 0);
	}
	return tap_done();
}
