# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::Mapping;

# The cluster's PCI mappings. What one says of the hardware is checked when a VM
# starts, not when it is written.

use strict;
use warnings;

use Pve::Tool::Format;
use Pve::Tool::Options;
use Pve::Tool::Sections;

my $FILE = 'mapping/pci.cfg';

sub new {
    my ($class, $cluster) = @_;

    return bless { cluster => $cluster }, $class;
}

sub _read {
    my ($self) = @_;

    return Pve::Tool::Sections::parse($self->{cluster}->read_file($FILE), 'map');
}

sub _write {
    my ($self, $sections) = @_;

    mkdir($self->{cluster}->node($self->{cluster}->name())->path('/etc/pve/mapping'));
    $self->{cluster}->write_file($FILE, Pve::Tool::Sections::print_sections($sections, 'map'));
    return;
}

sub _shown {
    my ($sections, $id) = @_;
    my %mapping = (%{ $sections->{of}->{$id} }, type => 'pci', digest => $sections->{digest});

    $mapping{$_} += 0 for grep { defined($mapping{$_}) } qw(mdev live-migration-capable);
    return \%mapping;
}

sub get {
    my ($self, $id) = @_;
    my $sections = $self->_read();

    die "mapping '$id' not found\n" if !$sections->{of}->{$id};
    return _shown($sections, $id);
}

sub list {
    my ($self) = @_;
    my $sections = $self->_read();

    return [ map { +{ %{ _shown($sections, $_) }, id => $_ } } @{ $sections->{order} } ];
}

sub options {
    return {
        description => 'string', mdev => 'boolean', 'live-migration-capable' => 'boolean', map => 'array',
    };
}

sub check {
    my ($usage, $param) = @_;
    my %errors;
    my $n = 0;

    for my $map (@{ $param->{map} // [] }) {
        my $path = "map[$n]";
        $errors{$path} = "invalid format - $@" if !eval { Pve::Tool::Format::properties('map', $map, $path); 1 };
        $n++;
    }
    if (defined($param->{id}) && !eval { Pve::Tool::Format::config_id($param->{id}); 1 }) {
        $errors{id} = "invalid format - $@";
    }
    Pve::Tool::Options::refuse_values($usage, \%errors) if %errors;
    # A change needs the list as well, although only a new one can be without.
    die "missing value for required option 'map'\n" if !$param->{map};
    return;
}

sub _locked {
    my ($self, $what, $code) = @_;

    die "$what failed: $@" if !eval { $self->{cluster}->with_lock($FILE, $code); 1 };
    return;
}

sub create {
    my ($self, $id, $param) = @_;

    $self->_locked('create hardware mapping', sub {
        my $sections = $self->_read();
        die "pci ID '$id' already defined\n" if $sections->{of}->{$id};
        push @{ $sections->{order} }, $id;
        $sections->{of}->{$id} = $param;
        $self->_write($sections);
    });
    return;
}

sub update {
    my ($self, $id, $param) = @_;
    my $digest = delete $param->{digest};
    my @delete = Pve::Tool::Options::split_list(delete $param->{delete});

    $self->_locked('update hardware mapping', sub {
        my $sections = $self->_read();
        die "detected modified configuration - file changed by other user? Try again.\n"
            if $digest && $digest ne $sections->{digest};
        die "pci ID '$id' does not exist\n" if !$sections->{of}->{$id};
        delete @{ $sections->{of}->{$id} }{@delete};
        $sections->{of}->{$id}->{$_} = $param->{$_} for keys %$param;
        $self->_write($sections);
    });
    return;
}

sub remove {
    my ($self, $id) = @_;

    $self->_locked('delete pci mapping', sub {
        my $sections = $self->_read();
        Pve::Tool::Sections::remove($sections, $id);
        $self->_write($sections);
    });
    return;
}

1;
