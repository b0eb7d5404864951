# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Device;

# hostpciN of a VM's config, and the PCI devices that it names.

use strict;
use warnings;

use Pve::Config;

my $PCI = '/sys/bus/pci/devices';

sub directory {
    my ($id) = @_;

    return "$PCI/$id";
}

# A device by its whole address, or all functions that begin so.
sub _named {
    my ($node, $text) = @_;
    my @found;

    $text = "0000:$text" if $text !~ m/^[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}/i;
    opendir(my $dir, $node->path($PCI)) or die "open '$PCI': $!\n";
    for my $id (sort readdir($dir)) {
        next if index($id, $text) != 0;
        my $nvidia = $node->{version}->does('vendor_vfio') && -d $node->path("$PCI/$id/nvidia");
        push @found,
            { id => $id, vendor => $node->first_line("$PCI/$id/vendor"), nvidia => $nvidia };
    }
    die "no PCI device '$text'\n" if !@found;
    return \@found;
}

sub _places {
    my ($node, $p) = @_;

    return [ $p->{host} ] if !defined($p->{mapping});
    die "hostpci: this version has no mappings\n" if !$node->{version}->does('mapping');
    die "hostpci: an address and a mapping\n" if defined($p->{host});
    return [ Pve::Config::mapping($node, $p->{mapping}) ];
}

# One hostpciN: {mdev | nvidia, pcie, x-vga, alternatives => [[device, …], …]}
sub parse {
    my ($node, $text) = @_;
    my $d = Pve::Config::properties($text, 'host');

    $d->{alternatives} = [];
    for my $place (@{ _places($node, $d) }) {
        my $devices = [ map { @{ _named($node, $_) } } split(/;/, $place) ];
        push @{ $d->{alternatives} }, $devices;
        next if !defined($d->{mdev});
        die "a vGPU of several functions\n" if @$devices > 1;
        # That it is a vendor VF decides how mdev= is read.
        $d->{nvidia} = $1 if $devices->[0]->{nvidia} && $d->{mdev} =~ m/^nvidia-(\d+)$/;
    }
    delete $d->{mdev} if defined($d->{nvidia});
    return $d;
}

# All of a config: {index => device}
sub parse_all {
    my ($node, $conf) = @_;
    my %devices;

    for my $key (sort keys %$conf) {
        $devices{$1} = parse($node, $conf->{$key}) if $key =~ m/^hostpci(\d+)$/;
    }
    return \%devices;
}

sub is_nvidia {
    my ($device) = @_;

    return ($device->{vendor} // '') =~ m/^(?:0x)?10de$/;
}

1;
