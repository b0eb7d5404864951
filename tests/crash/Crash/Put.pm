# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::Put;

# What a node is put to: settings, and the configs of VM 100, which is met by
# something, and of VM 101 beside it.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(old_ids with_intent without_intent);

my $OLD_SETTINGS = <<'END';
# What stands here is the admin's.
[defaults]
cleanup-wait = 0
lock-wait = 5

; the other one
[vm 101]
hostpci0 = A40-24A ; as asked for by accounting
END

my $VM = <<'END';
#The admin's note%3A do not touch
boot: order=scsi0;net0
cores: 4
memory: 8192
END

sub settings { return join("\n", $OLD_SETTINGS, @_, '') }

sub mdev_vm {
    my ($node, $vmid, $n) = @_;
    my $devices = join(' ', map { '-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/' . $node->uuid($vmid, $_) } 0 .. $n - 1);

    return "${VM}args: -cpu host $devices\nname: vm$vmid\n\n[before]\n#a snapshot\nargs: -cpu host\ncores: 2\n";
}

# VM 100 behind the first VF, which `create` takes, and 101 on another GPU: the second, or the third
sub vf_vm {
    my ($node, $vmid, $n, $third) = @_;
    my @vfs = $vmid == 100 ? @{$node->{vfs}}[1 .. $n] : $third ? '0000:ea:00.6' : $node->{vfs}[4];
    my $devices = join('', map { "hostpci$_: $vfs[$_],mdev=nvidia-575\n" } 0 .. $n - 1);

    return "${VM}args: -cpu host\n${devices}name: vm$vmid\n\n[before]\n#a snapshot\nargs: -cpu host\ncores: 2\n";
}

sub _vm {
    my ($node, @vm) = @_;

    return $node->is_mdev ? mdev_vm($node, @vm) : vf_vm($node, @vm);
}

# Settings and configs with an intent of VM 100 for so many vGPUs; settings: more sections, own: more of its own
sub with_intent {
    my ($n, %more) = @_;

    return sub {
        my ($node) = @_;

        return (
            settings => settings('[vm 100]', map({ "hostpci$_ = A40-24A" } 0 .. $n - 1), @{$more{own} // []}, @{$more{settings} // []}),
            confs => { 100 => _vm($node, 100, $n), 101 => _vm($node, 101, 1, $more{third}) },
            vfs => $more{third},
        );
    };
}

my $SET_VM = <<'END';
#The admin's note%3A do not touch
args: -cpu host
boot: order=scsi0;net0
cores: 4
hostpci3: 0000:01:00.0
memory: 8192
meta: creation-qemu=9.2.0,ctime=1700000100
name: vm100
smbios1: uuid=12345678-1234-4234-8234-000000000100

[before]
#a snapshot
boot: order=scsi0;net0
cores: 2
memory: 8192
meta: creation-qemu=9.2.0,ctime=1700000100
name: vm100
smbios1: uuid=12345678-1234-4234-8234-000000000100
snaptime: 1700000200
END

# Settings in which VM 100 does not stand, between what does
sub without_intent {
    my ($node) = @_;

    return (
        settings => settings('[vm 103]', '# keep this one', 'hostpci0=A40-12A'),
        confs => { 100 => $SET_VM, 101 => _vm($node, 101, 1), 103 => "name: vm103\n" },
    );
}

# VM 100 by the address of a VF, with these choices and an id that A40-24A had under another driver
sub old_ids {
    my ($node, $choices) = @_;

    return (
        settings => settings('[vm 100]', "hostpci0 = $choices"),
        confs => { 100 => vf_vm($node, 100, 1) =~ s/mdev=nvidia-575/mdev=nvidia-9001/r, 101 => _vm($node, 101, 1) },
        files => { 'var/lib/pve-vgpu/types.json' => '{"version":1,"driver":"old","types":['
            . '{"type":"nvidia-9001","full_name":"NVIDIA A40-24A"}],"gpus":[]}' . "\n" },
    );
}

1;
