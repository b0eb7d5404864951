# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::Pvesh;

# `pvesh`: the paths of the API that a program may sensibly use.

use strict;
use warnings;

use File::Glob qw(:bsd_glob);
use JSON::PP ();

use Pve::Tool::Mapping;
use Pve::Tool::Options;
use Pve::Tool::Schema;
use Pve::Tool::Storage;
use Pve::Tool::Vm;
use Pve::Version;

my %FORMAT = (
    noproxy => 'boolean', quiet => 'boolean', 'output-format' => 'string', 'human-readable' => 'boolean',
    noborder => 'boolean', noheader => 'boolean',
);

# qemu-server's version on the node, from ROOT/.pve/version
sub _version {
    my ($cluster) = @_;
    my ($text) = $cluster->settings('version');

    return Pve::Version->new($text // '9.2');
}

# Another node is reached by ssh, and its own pvesh does it there.
sub _reach {
    my ($cluster, $node) = @_;

    return if $node eq $cluster->name() || $node eq 'localhost';
    die "400 Parameter verification failed.\nnode: hostname lookup '$node' failed - failed to get address info for:"
        . " $node: Name or service not known\n" if !grep { $_ eq $node } $cluster->nodes();
    return if $cluster->is_online($node);
    print STDERR "ssh: connect to host $node port 22: No route to host\n";
    die "proxy handler failed: command '/usr/bin/ssh' failed: exit code 255\n";
}

sub _vm {
    my ($cluster, $uri) = @_;
    my $node = $uri->{node} eq 'localhost' ? $cluster->name() : $uri->{node};

    _reach($cluster, $node);
    return Pve::Tool::Vm->new($cluster, $node, $uri->{vmid});
}

# Numbers are numbers in JSON where the setting is one.
sub _typed {
    my ($conf) = @_;

    for my $key (keys %$conf) {
        $conf->{$key} += 0 if (Pve::Tool::Schema::type_of($key) // '') =~ m/^(?:boolean|integer)$/;
    }
    return $conf;
}

sub _vm_list {
    my ($cluster, @nodes) = @_;
    my @list;

    for my $node (@nodes) {
        my $dir = $cluster->node($cluster->name())->path("/etc/pve/nodes/$node/qemu-server");
        for my $vmid (sort { $a <=> $b } map { m|/(\d+)\.conf$| ? $1 : () } glob("$dir/*.conf")) {
            my $vm = Pve::Tool::Vm->new($cluster, $node, $vmid);
            my $conf = $vm->load();
            push @list, {
                id => "qemu/$vmid", node => $node, type => 'qemu', vmid => $vmid + 0,
                name => $conf->{name} // "VM $vmid", template => ($conf->{template} // 0) + 0,
                status => !$cluster->is_online($node) ? 'unknown' : $vm->running() ? 'running' : 'stopped',
            };
        }
    }
    return \@list;
}

sub _node_list {
    my ($cluster) = @_;

    return [
        map {
            +{ node => $_, id => "node/$_", type => 'node', status => $cluster->is_online($_) ? 'online' : 'offline' }
        } $cluster->nodes()
    ];
}

sub _resources {
    my ($cluster, $type) = @_;
    my @all;

    push @all, @{ _vm_list($cluster, $cluster->nodes()) } if !defined($type) || $type eq 'vm';
    push @all, @{ _node_list($cluster) } if !defined($type) || $type eq 'node';
    return \@all;
}

# What `pveversion` would say: pve-manager's version, as dpkg has it
sub _manager_version {
    my ($cluster, $node) = @_;
    my $place = $cluster->node($node) // $cluster->node($cluster->name());
    my ($found, $version) = (0, $cluster->settings('version'));

    for my $line ($place->lines('/var/lib/dpkg/status')) {
        $found = $line eq 'Package: pve-manager' if $line =~ m/^Package: /;
        $version = $1 if $found && $line =~ m/^Version: (\S+)/;
    }
    $version //= '9.2.0';
    return { version => $version, release => $version =~ m/^(\d+\.\d+)/ ? $1 : $version, repoid => '0123456789abcdef' };
}

sub _storages {
    my ($cluster) = @_;
    my $storage = Pve::Tool::Storage->new($cluster);
    my $all = $storage->all();

    return [ map { +{ %{ $all->{$_} }, storage => $_, digest => $storage->digest() } } sort keys %$all ];
}

sub _set_config {
    my ($cluster, $usage, $uri, $param) = @_;

    _vm($cluster, $uri)->update($usage, $param);
    return undef;
}

# A worker does it; its name is the answer.
sub _post_config {
    my ($cluster, $usage, $uri, $param) = @_;

    delete $param->{background_delay};
    _vm($cluster, $uri)->update($usage, $param);
    return sprintf('UPID:%s:%08X:%08X:%08X:qmconfig:%d:root@pam:', $uri->{node}, $$, 0, time(), $uri->{vmid});
}

my $VM = '/nodes/(?<node>[^/]+)/qemu/(?<vmid>\d+)';
my $MAPPING = '/cluster/mapping/pci';

sub _config_options {
    return {
        %{ Pve::Tool::Schema::options() }, delete => 'list', revert => 'list', force => 'boolean',
        skiplock => 'boolean', digest => 'string',
    };
}

# [method, path, options, what does it, only where this version has it]
my @paths = (
    [ 'set', "$VM/config", \&_config_options, \&_set_config ],
    [ 'create', "$VM/config", sub { +{ %{ _config_options() }, background_delay => 'integer' } }, \&_post_config ],
    [ 'get', "$VM/config", sub { +{ current => 'boolean', snapshot => 'string' } },
        sub { _typed(_vm($_[0], $_[2])->shown($_[3])) } ],
    [ 'get', "$VM/pending", sub { +{} }, sub { _vm($_[0], $_[2])->pending() } ],
    [ 'get', "$VM/status/current", sub { +{} }, sub {
        my $vm = _vm($_[0], $_[2]);
        my $conf = $vm->load();
        return { vmid => $_[2]->{vmid} + 0, status => $vm->running() ? 'running' : 'stopped', name => $conf->{name},
            $conf->{lock} ? (lock => $conf->{lock}) : () };
    } ],
    [ 'get', '/nodes/(?<node>[^/]+)/qemu', sub { +{ full => 'boolean' } },
        sub { _reach($_[0], $_[2]->{node}); _vm_list($_[0], $_[2]->{node}) } ],
    [ 'get', '/nodes/(?<node>[^/]+)/version', sub { +{} },
        sub { _reach($_[0], $_[2]->{node}); _manager_version($_[0], $_[2]->{node}) } ],
    [ 'get', '/nodes/(?<node>[^/]+)/storage', sub { +{ content => 'list', enabled => 'boolean' } },
        sub { _reach($_[0], $_[2]->{node}); Pve::Tool::Storage->new($_[0]->at($_[2]->{node}))->status($_[3]->{content}) } ],
    [ 'get', '/nodes', sub { +{} }, sub { _node_list($_[0]) } ],
    [ 'get', '/version', sub { +{} }, sub { _manager_version($_[0], $_[0]->name()) } ],
    [ 'get', '/cluster/resources', sub { +{ type => 'string' } }, sub { _resources($_[0], $_[3]->{type}) } ],
    [ 'get', '/storage', sub { +{ type => 'string' } }, sub { _storages($_[0]) } ],
    [ 'get', '/storage/(?<id>[^/]+)', sub { +{} }, sub {
        my $storage = Pve::Tool::Storage->new($_[0]);
        return { %{ $storage->one($_[2]->{id}) }, storage => $_[2]->{id}, digest => $storage->digest() };
    } ],
    [ 'set', '/storage/(?<id>[^/]+)', \&Pve::Tool::Storage::options, sub {
        Pve::Tool::Storage->new($_[0])->set($_[2]->{id}, $_[3]);
        return { storage => $_[2]->{id}, type => Pve::Tool::Storage->new($_[0])->one($_[2]->{id})->{type} };
    } ],
    [ 'get', $MAPPING, sub { +{ 'check-node' => 'string' } }, sub { Pve::Tool::Mapping->new($_[0])->list() }, 'mapping' ],
    [ 'create', $MAPPING, sub { +{ %{ Pve::Tool::Mapping::options() }, id => 'string' } }, sub {
        my ($cluster, $usage, $uri, $param) = @_;
        Pve::Tool::Options::refuse_values($usage, { id => 'property is missing and it is not optional' })
            if !defined($param->{id});
        Pve::Tool::Mapping::check($usage, $param);
        Pve::Tool::Mapping->new($cluster)->create(delete $param->{id}, $param);
        return undef;
    }, 'mapping' ],
    [ 'get', "$MAPPING/(?<id>[^/]+)", sub { +{} }, sub { Pve::Tool::Mapping->new($_[0])->get($_[2]->{id}) }, 'mapping' ],
    [ 'set', "$MAPPING/(?<id>[^/]+)",
        sub { +{ %{ Pve::Tool::Mapping::options() }, digest => 'string', delete => 'list' } }, sub {
        my ($cluster, $usage, $uri, $param) = @_;
        Pve::Tool::Mapping::check($usage, $param);
        Pve::Tool::Mapping->new($cluster)->update($uri->{id}, $param);
        return undef;
    }, 'mapping' ],
    [ 'delete', "$MAPPING/(?<id>[^/]+)", sub { +{} },
        sub { Pve::Tool::Mapping->new($_[0])->remove($_[2]->{id}); undef }, 'mapping' ],
);

sub _find {
    my ($cluster, $method, $path) = @_;

    $path = '/' . ($path =~ s|^/+||r) =~ s|/+$||r;
    for my $entry (@paths) {
        next if $entry->[0] ne $method || $path !~ m!^$entry->[1]$!;
        my %uri = %+;
        next if $entry->[4] && !_version($cluster)->does($entry->[4]);
        return ($entry, \%uri);
    }
    # It says so before it has set up what gives the other status.
    print STDERR "No '$method' handler defined for '$path'\n";
    exit(1);
}

# Text is for people: a frame around all, which no program should read.
sub _show {
    my ($format, $result) = @_;
    my $json = JSON::PP->new->canonical->allow_nonref->latin1;

    return if !defined($result);
    if ($format eq 'json') {
        print $json->encode($result), "\n";
    } elsif ($format eq 'json-pretty') {
        print $json->pretty->encode($result);
    } elsif (ref($result)) {
        print "\x{e2}\x{94}\x{82} $_\n" for split(/\n/, $json->pretty->encode($result));
    } else {
        print "$result\n";
    }
    return;
}

sub _ls {
    my ($cluster, $path) = @_;
    my ($entry, $uri) = _find($cluster, 'get', $path);
    my $list = $entry->[3]->($cluster, 'pvesh ls <api_path>', $uri, {});

    die "resource '$path' does not define child links\n" if ref($list) ne 'ARRAY';
    print "-r--  $_\n" for sort map { $_->{vmid} // $_->{storage} // $_->{id} // $_->{node} // '' } @$list;
    return;
}

sub run {
    my ($cluster, $method, $path, @argv) = @_;

    die "ERROR: no command specified\nUSAGE: pvesh <COMMAND> [ARGS] [OPTIONS]\n" if !defined($method);
    die "ERROR: unknown command 'pvesh $method'\nUSAGE: pvesh <COMMAND> [ARGS] [OPTIONS]\n"
        if $method !~ m/^(?:get|set|create|delete|ls)$/;
    my $usage = "pvesh $method <api_path> [OPTIONS] [FORMAT_OPTIONS]";
    Pve::Tool::Options::refuse($usage, 'not enough arguments') if !defined($path);
    return _ls($cluster, $path) if $method eq 'ls';
    my ($entry, $uri) = _find($cluster, $method, $path);
    my $param = Pve::Tool::Options::parse(\@argv, { %{ $entry->[2]->() }, %FORMAT }, [], $usage);
    my %format = map { $_ => delete $param->{$_} } keys %FORMAT;
    my $result = $entry->[3]->($cluster, $usage, $uri, $param);
    _show($format{'output-format'} // 'text', $result) if !$format{quiet};
    return;
}

1;
