# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::CommandLine;

# The part of QEMU's command line that has to do with who the VM is and with
# its vGPUs.

use strict;
use warnings;

use Text::ParseWords qw(shellwords);

use Pve::Config;
use Pve::Device;
use Pve::Qemu;
use Pve::Vgpu;

# Where hostpciN stands: bus and slot
my @SLOT = ([ 0, 0x10 ], [ 0, 0x11 ], [ 0, 0x1b ], [ 0, 0x1c ]);

sub _slot {
    my ($index, $device) = @_;

    return 'bus=ich9-pcie-port-' . ($index + 1) . ',addr=0x0' if $device->{pcie};
    my ($bus, $slot) = @{ $SLOT[$index] // [ 2, 0xd + $index - 4 ] };
    return sprintf('bus=pci.%d,addr=0x%x', $bus, $slot);
}

sub _source {
    my ($node, $vmid, $index, $device) = @_;

    return "host=$device->{vf}" if defined($device->{vf});
    my $uuid = Pve::Vgpu::uuid($vmid, $index);
    return "sysfsdev=/sys/bus/mdev/devices/$uuid" if $node->{version}->does('mdev_bus_path');
    my $parent = $device->{alternatives}->[0]->[0]->{id};
    return 'sysfsdev=' . Pve::Device::directory($parent) . "/$uuid";
}

# What the slot hangs on, where the machine does not bring it. PVE reads the
# first four root ports from a file that comes with it.
sub _bus {
    my ($index, $device) = @_;
    my $port = $index + 1;

    return ('-device', "pcie-root-port,id=ich9-pcie-port-$port,bus=pcie.0,port=$port,chassis=$port")
        if $device->{pcie};
    return ('-device', 'pci-bridge,id=pci.2,chassis_nr=2,bus=pci.0,addr=0x1f')
        if $index == 4;
    return ();
}

sub _device {
    my ($node, $vmid, $conf, $index, $device) = @_;
    my $text = 'vfio-pci,' . _source($node, $vmid, $index, $device);

    $text .= ",id=hostpci$index," . _slot($index, $device);
    $text .= ',rombar=0' if defined($device->{rombar}) && !$device->{rombar};
    $text .= ',x-vga=on' if $device->{'x-vga'} && ($conf->{bios} // '') ne 'ovmf';
    return (_bus($index, $device), '-device', $text);
}

sub _smbios {
    my ($conf) = @_;

    return Pve::Config::properties($conf->{smbios1} // '', 'uuid');
}

# build(NODE, VMID, CONF, DEVICES): all but what is known only once the devices
# are prepared
sub build {
    my ($node, $vmid, $conf, $devices) = @_;
    my $name = $conf->{name} // "vm$vmid";
    my $smbios = _smbios($conf);
    my @cmd = (
        $node->{kvm}, @{ $node->{kvm_args} },
        '-id', $vmid, '-name', "$name,debug-threads=on", '-no-shutdown',
        '-chardev', 'socket,id=qmp,path='
            . Pve::Qemu::qmp_socket($vmid) . ',server=on,wait=off',
        '-mon', 'chardev=qmp,mode=control',
        '-pidfile', Pve::Qemu::pid_file($vmid), '-daemonize',
    );

    push @cmd, '-smbios', "type=1,uuid=$smbios->{uuid}" if defined($smbios->{uuid});
    push @cmd, _device($node, $vmid, $conf, $_, $devices->{$_})
        for sort { $a <=> $b } keys %$devices;
    push @cmd, shellwords($conf->{args}) if defined($conf->{args});
    return @cmd;
}

# uuid_option(NODE, VMID, CONF, INDEX): NVIDIA's manager wants a UUID on the
# command line; the index is that of the first of NVIDIA's vGPUs, if any
sub uuid_option {
    my ($node, $vmid, $conf, $index) = @_;

    return () if !defined($index) || !$node->{version}->does('uuid_option');
    my $uuid = $node->{version}->does('smbios_uuid') ? _smbios($conf)->{uuid} : undef;
    return ('-uuid', $uuid // Pve::Vgpu::uuid($vmid, $index));
}

1;
