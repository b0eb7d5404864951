# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::Schema;

# The settings of a VM: which there are, and which values they take. What has
# no format here takes any text of one line.

use strict;
use warnings;

use Pve::Tool::Format;

my %type = (
    map({ $_ => 'boolean' } qw(acpi allow-ksm autostart ciupgrade freeze keephugepages kvm
            localtime numa onboot protection reboot tablet tdf template)),
    map({ $_ => 'integer' } qw(balloon cores cpuunits migrate_speed shares smp snaptime sockets
            vcpus)),
    map({ $_ => 'number' } qw(cpulimit migrate_downtime)),
    map({ $_ => 'string' } qw(affinity agent amd-sev arch args audio0 bios boot bootdisk cdrom
            cicustom cipassword citype ciuser cpu description efidisk0 hookscript hotplug hugepages
            intel-tdx ivshmem keyboard lock machine memory meta name nameserver ostype parent rng0
            running-nets-host-mtu runningcpu runningmachine scsihw searchdomain smbios1 snapstate
            spice_enhancements sshkeys startdate startup tags tpmstate0 vga vmgenid vmstate
            vmstatestorage watchdog)),
);

# How many there are of what has a number behind its name
my %count = (
    hostpci => 16, ide => 4, ipconfig => 32, net => 32, numa => 8, parallel => 3, sata => 6,
    scsi => 31, serial => 4, unused => 256, usb => 14, virtio => 16, virtiofs => 10,
);

for my $name (keys %count) {
    $type{"$name$_"} = 'string' for 0 .. $count{$name} - 1;
}

# In a config's sections, and not to be set
my %not_set = map { $_ => 1 } qw(meta parent running-nets-host-mtu runningcpu runningmachine
    snapstate snaptime vmstate);

sub _enum {
    my (@values) = @_;

    return sub {
        my ($value) = @_;

        return if grep { $_ eq $value } @values;
        die "value '$value' does not have a value in the enumeration '" . join(', ', @values) . "'\n";
    };
}

sub _pattern {
    my ($pattern) = @_;

    return sub { die "value does not match the regex pattern\n" if $_[0] !~ m/^(?:$pattern)$/; };
}

# Wrapped as PVE wraps what a format says
sub _format {
    my ($check) = @_;

    return sub {
        my (@of) = @_;

        die "invalid format - $@" if !eval { $check->(@of); 1 };
    };
}

sub _properties {
    my ($format) = @_;

    return _format(sub { Pve::Tool::Format::properties($format, $_[0], $_[1]); });
}

my %check = (
    bios => _enum(qw(seabios ovmf)),
    lock => _enum(qw(backup clone create migrate rollback snapshot snapshot-delete suspending
            suspended)),
    ostype => _enum(qw(other wxp w2k w2k3 w2k8 wvista win7 win8 win10 win11 l24 l26 solaris)),
    scsihw => _enum(qw(lsi lsi53c810 virtio-scsi-pci virtio-scsi-single megasas pvscsi)),
    hookscript => _format(\&Pve::Tool::Format::volume_id),
    machine => _properties('machine'),
    smbios1 => _properties('smbios'),
    vga => _properties('vga'),
    memory => _format(_pattern('(?:current=)?\d+')),
    name => _format(_pattern('[a-zA-Z0-9](?:[a-zA-Z0-9.\-]*[a-zA-Z0-9])?')),
    tags => _format(_pattern('[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*(?:[;, ][a-zA-Z0-9_][a-zA-Z0-9_\-+.]*)*')),
    affinity => _format(_pattern('\s*\d+(?:-\d+)?(?:\s*,\s*\d+(?:-\d+)?)?(?:,\d+(?:-\d+)?)*\s*')),
);

my $hostpci = _properties('hostpci');

sub type_of { return $type{ $_[0] }; }

sub can_be_set { return $type{ $_[0] } && !$not_set{ $_[0] }; }

# {option => type} of what `set` takes
sub options {
    return { map { $_ => $type{$_} } grep { !$not_set{$_} } keys %type };
}

# check(KEY, VALUE): the value as it is kept; dies with PVE's reason
sub check {
    my ($key, $value) = @_;
    my $type = $type{$key} or die "unknown setting '$key'\n";

    return Pve::Tool::Format::boolean($value) if $type eq 'boolean';
    return Pve::Tool::Format::integer($value) if $type eq 'integer';
    return Pve::Tool::Format::number($value) if $type eq 'number';
    my $check = $key =~ m/^hostpci\d+$/ ? $hostpci : $check{$key};
    $check->($value, $key) if $check;
    return $value;
}

# kept(KEY, VALUE): what a config keeps of a value. PVE takes quotation marks
# around the whole of a value that has no format; `args` is one of those.
sub kept {
    my ($key, $value) = @_;

    die "property contains a line feed\n" if $value =~ m/[\n\r]/;
    $value = check($key, $value);
    $value =~ s/^"(.*)"$/$1/ if $key =~ m/^(?:args|startdate)$/;
    return $value;
}

1;
