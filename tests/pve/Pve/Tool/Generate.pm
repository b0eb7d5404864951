# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::Generate;

# Configs of VMs as an admin's years with PVE leave them. What is made follows
# from the state of Perl's random numbers alone.

use strict;
use warnings;

use Pve::Tool::VmConfig;

sub one_of {
    return $_[ int(rand(@_)) ];
}

# True in one of that many cases
sub once_in {
    my ($n) = @_;

    return int(rand($n)) == 0;
}

sub _digits {
    my ($n) = @_;

    return join('', map { int(rand(10)) } 1 .. $n);
}

sub _uuid {
    return join('-', map { _digits($_) } 8, 4, 4, 4, 12);
}

# Text as people write it, with what PVE has to encode
sub _text {
    return join("\n", map { one_of(
        'web server', 'owner: someone', '50% of a GPU', "M\xc3\xbcnchen", '# old', '[PENDING]', '"quoted"',
        'hostpci0: not a setting', '', '<b>x</b>', "a\tb",
    ) } 1 .. 1 + int(rand(4))) . 'x';
}

# One word of a command line, quoted in one of the ways that a shell knows
sub _word {
    return one_of(
        '-no-hpet', '-device', 'virtio-rng-pci', '-cpu', q('host,-hypervisor'), q("a b"), q('c "d" e'),
        q(x\ y), '-smbios', q(type=1,serial='S N 1'), '-name', 'guest=x', q(""), '-global', 'x=y',
        '-device', 'vfio-pci,host=0000:01:00.0,id=hostdev0', q(pre"mid dle"post), '-set', '-S',
    );
}

sub _args {
    my $text = '-no-hpet' . join('', map { one_of(' ', ' ', '  ') . _word() } 1 .. 1 + int(rand(6)));

    # Not closed: what cannot be taken apart
    return once_in(20) ? "$text 'open" : $text;
}

my @GPUS = qw(0000:e8:00.4 0000:e8:00.5 0000:e9:00.4 0000:e9:00.7);

# No vGPU, one by hand, or a device that is nobody's business
sub _hostpci {
    my ($q35) = @_;
    my $value = one_of(
        '0000:01:00', '0000:01:00.0;0000:01:00.1', '02:00.0,rombar=0', 'mapping=nic',
        map({ ($_ . ',mdev=nvidia-574', $_ . ',mdev=nvidia-575') } @GPUS),
        'mapping=vgpus,mdev=nvidia-575',
    );

    $value .= ',pcie=1' if $q35 && once_in(3);
    $value .= one_of(',x-vga=1', ',driver=vfio', ',romfile=vga.bin') if once_in(5);
    return $value;
}

my %common = (
    acpi => [ 0, 1 ], affinity => [ '0-3', '4,6' ], agent => [ '1', 'enabled=1,fstrim_cloned_disks=1' ],
    balloon => [ 0, 1024 ], bios => [ 'ovmf', 'seabios' ], cpu => [ 'host', 'x86-64-v2-AES' ],
    cpulimit => [ 2, '1.5' ], cpuunits => [ 100, 1024 ], hotplug => [ 'disk,network,usb', 0 ],
    keyboard => [ 'de', 'en-us' ], localtime => [ 1 ], nameserver => [ '192.0.2.1' ], onboot => [ 0, 1 ],
    protection => [ 1 ], startup => [ 'order=1,up=30' ], tablet => [ 0, 1 ], tags => [ 'gpu', 'a;b;c' ],
    usb0 => [ 'host=1-2', 'spice' ], vga => [ 'std', 'none', 'qxl,memory=32', 'virtio-gl' ],
    watchdog => [ 'model=i6300esb' ], vmstatestorage => [ 'local-lvm' ], rng0 => [ 'source=/dev/urandom' ],
    serial0 => [ 'socket' ], unused0 => [ 'local-lvm:vm-1-disk-9' ], ciuser => [ 'admin' ],
    ipconfig0 => [ 'ip=dhcp' ], numa => [ 0, 1 ], kvm => [ 1 ], freeze => [ 0 ], shares => [ 1000 ],
);

sub _hardware {
    my ($vmid) = @_;
    my %conf = (
        boot => 'order=scsi0;net0', cores => one_of(1, 2, 4, 8), memory => one_of(512, 4096, 16384),
        name => "vm$vmid", net0 => 'virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1',
        ostype => one_of('l26', 'win11', 'other'), sockets => 1, vmgenid => _uuid(),
        scsi0 => "local-lvm:vm-$vmid-disk-0,iothread=1,size=32G", scsihw => 'virtio-scsi-single',
    );

    $conf{machine} = one_of('q35', 'pc-q35-9.0+pve1', 'pc-i440fx-8.1', 'pc') if !once_in(3);
    $conf{meta} = 'creation-qemu=9.0.2,ctime=17' . _digits(8) if !once_in(4);
    $conf{smbios1} = 'uuid=' . _uuid() if !once_in(4);
    $conf{efidisk0} = "local-lvm:vm-$vmid-disk-1,efitype=4m,size=4M" if once_in(4);
    $conf{ide2} = one_of('none,media=cdrom', "local-lvm:vm-$vmid-cloudinit,media=cdrom") if once_in(2);
    return \%conf;
}

# What makes a config one that is hard to give a vGPU
sub _trouble {
    my ($conf) = @_;
    my $q35 = ($conf->{machine} // '') =~ m/q35/;

    $conf->{args} = _args() if once_in(3);
    $conf->{hookscript} = one_of('local:snippets/other.pl', 'local:snippets/pve-vgpu') if once_in(4);
    for my $index (0, 0, 1, 5, 15) {
        $conf->{"hostpci$index"} = _hostpci($q35) if once_in(5);
    }
    $conf->{template} = 1 if once_in(40);
    $conf->{lock} = one_of('backup', 'migrate', 'snapshot') if once_in(40);
    return;
}

sub _some_common {
    my ($conf, $n) = @_;

    for my $key (sort keys %common) {
        my @values = @{ $common{$key} };
        my ($take, $value) = (rand() < $n / keys(%common), one_of(@values));
        $conf->{$key} = $value if $take;
    }
    return;
}

sub _pending {
    my ($conf) = @_;
    my %pending;

    _some_common(\%pending, 2);
    $pending{cores} = one_of(3, 5, 7) if once_in(2);
    $pending{description} = one_of(_text(), '') if once_in(6);
    $pending{args} = _args() if once_in(4);
    $pending{"hostpci$_"} = _hostpci(0) for grep { once_in(6) } 0, 1, 5;
    my @known = grep { !ref($conf->{$_}) && !defined($pending{$_}) && m/^(?:vga|cpu|args|hostpci\d+|tablet|agent|usb0)$/ }
        sort keys %$conf;
    my %delete = map { $_ => 0 } grep { once_in(2) } @known;
    my %whole = (pending => \%pending);
    Pve::Tool::VmConfig::set_pending_delete(\%whole, \%delete) if %delete;
    return \%pending;
}

sub _snapshots {
    my ($vmid, $conf) = @_;
    my (%snapshots, $parent);

    for my $name (grep { once_in(4) } qw(before-update clean install zz_last)) {
        my $snapshot = _hardware($vmid);
        _some_common($snapshot, 3);
        _trouble($snapshot);
        delete @$snapshot{qw(lock template)};
        $snapshot->{snaptime} = '17' . _digits(8);
        $snapshot->{description} = _text() if once_in(2);
        $snapshot->{vmstate} = "local-lvm:vm-$vmid-state-$name" if once_in(3);
        $snapshot->{parent} = $parent if defined($parent);
        $snapshots{$name} = $snapshot;
        $parent = $name;
    }
    $conf->{parent} = $parent if defined($parent);
    return \%snapshots;
}

# config(VMID): the text, as PVE prints it
sub config {
    my ($vmid) = @_;
    my $conf = _hardware($vmid);

    _some_common($conf, 6);
    _trouble($conf);
    $conf->{description} = _text() if once_in(2);
    $conf->{special} = once_in(6) ? { fleecing => { 'fleecing-images' => "local-lvm:vm-$vmid-fleece-0" } } : {};
    $conf->{special}->{cloudinit} = { name => 'old' } if ($conf->{ide2} // '') =~ m/cloudinit/ && once_in(2);
    $conf->{pending} = once_in(3) ? _pending($conf) : {};
    $conf->{snapshots} = _snapshots($vmid, $conf);
    Pve::Tool::VmConfig::clean_pending($conf);
    return Pve::Tool::VmConfig::print_config($conf);
}

1;
