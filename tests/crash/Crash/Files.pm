# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::Files;

# Scenarios of commands that write files of the node's own: the scheduler's
# parameters, the hookscript's link, a guest's data.

use strict;
use warnings;

use Crash::Life;
use Crash::Put qw(with_intent);
use Crash::Ways qw(again_beside again_swept texts_are);

my $MODPROBE = 'etc/modprobe.d/pve-vgpu.conf';
my $LINK = 'var/lib/vz/snippets/pve-vgpu';
my $GUEST = 'var/lib/vz/snippets/vgpu-guest-100.yaml';
my $STORAGES = 'etc/pve/storage.cfg';

sub _as_after { return texts_are($_[0], $_[2]{after}) }

sub _schedulers {
    my %all = (command => [qw(scheduler apply)], texts => [ $MODPROBE ], ways => [ [ again => \&again_beside ], [ gc => \&again_swept ] ]);
    my $asked = "[defaults]\nscheduler = fixed-share\n";
    my $old = "# Written by `pve-vgpu scheduler apply` from /etc/pve-vgpu/node.conf; what is changed here is lost.\n"
        . "options nvidia NVreg_RegistryDwordsPerDevice=\"pci=0000:e8:00.0;RmPVMRL=0x01\"\n";
    my $to = sub { my ($conf, %files) = @_; return sub { return (with_intent(1)->(@_), node_conf => $conf, files => \%files) } };

    return (
        { %all, name => 'scheduler', to => $to->($asked) },
        { %all, name => 'scheduler-change', to => $to->($asked, $MODPROBE => $old) },
        { %all, name => 'scheduler-none', to => $to->('', $MODPROBE => $old) },
    );
}

sub _snippets {
    my %all = (texts => [ $LINK, $STORAGES ], ways => [ [ again => \&again_beside ] ]);
    my $none = "dir: local\n\tpath /var/lib/vz\n\tcontent backup,iso,vztmpl\n\n";

    return (
        { %all, name => 'snippet', command => [qw(snippet install)], to => sub { return (with_intent(1)->(@_), no_snippet => 1) } },
        { %all, name => 'snippet-enable', command => [qw(snippet install --enable)], to => sub {
            return (with_intent(1)->(@_), no_snippet => 1, files => { $STORAGES => $none });
        } },
        { %all, name => 'snippet-remove', command => [qw(snippet remove)], to => with_intent(1) },
    );
}

# What is written holds a token, so its mode is looked at, too.
sub _guests {
    my %all = (texts => [ $GUEST ], ways => [ [ again => \&again_beside ] ]);
    my $with = sub { return ('guest', 100, '--storage', 'local', '--token-file', "$_[0]{dir}/client.tok") };

    return (
        { %all, name => 'guest', command => $with, to => with_intent(1) },
        { %all, name => 'guest-change', command => $with, to => with_intent(1), prepare => sub {
            my ($node, $run) = @_;

            return Crash::Life::went('guest', $run->call(qw(guest 100 --storage local)));
        } },
    );
}

sub all {
    my ($framework) = @_;

    return map { { framework => $framework, done => \&_as_after, ends => sub { return $_[1]{after} }, %$_ } }
        _schedulers(), _snippets(), _guests();
}

1;
