# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Config;

# A VM's configuration, and the PCI mappings of the cluster.

use strict;
use warnings;

sub _file {
    my ($vmid, $from) = @_;

    return "/etc/pve/qemu-server/$vmid.conf" if !defined($from);
    return "/etc/pve/nodes/$from/qemu-server/$vmid.conf";
}

sub exists_here {
    my ($node, $vmid) = @_;

    return -f $node->path(_file($vmid));
}

# What stands before the first section. An incoming VM's lies with its source node.
sub load {
    my ($node, $vmid, $from) = @_;
    my $file = _file($vmid, $from);
    my %conf;

    die "'$file' does not exist\n" if !-f $node->path($file);
    for my $line ($node->lines($file)) {
        last if $line =~ m/^\[/;
        next if $line =~ m/^#/;
        $conf{$1} = $2 if $line =~ m/^([a-z][a-z_0-9-]*):\s*(.*?)\s*$/;
    }
    return \%conf;
}

# "a,b=c": a goes to the key named.
sub properties {
    my ($text, $default) = @_;
    my %p;

    for my $part (split(/,/, $text)) {
        if ($part =~ m/^([^=]+)=(.*)$/) {
            $p{$1} = $2;
        } else {
            die "'$text': two values without a key\n" if exists $p{$default};
            $p{$default} = $part;
        }
    }
    return \%p;
}

# The addresses that a mapping names on this node, in its order.
sub mapping {
    my ($node, $id) = @_;
    my ($section, @paths) = ('');

    for my $line ($node->lines('/etc/pve/mapping/pci.cfg')) {
        if ($line =~ m/^(\S+)\s*$/) {
            $section = $1;
        } elsif ($section eq $id && $line =~ m/^\s+map\s+(\S+)/) {
            my $map = properties($1, 'path');
            push @paths, $map->{path} if $map->{node} eq $node->{name};
        }
    }
    die "mapping '$id' has no device on node '$node->{name}'\n" if !@paths;
    return @paths;
}

1;
