# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::Run;

# pve-vgpu on a node, as it is called by PVE and by admins, with or without
# something happening to it.

use strict;
use warnings;

use Crash::Exec;
use Crash::File qw(slurp);

my $SECONDS = 30;	# more than any of this may take

sub new {
    my ($class, $node, $inject) = @_;

    return bless({ node => $node, inject => $inject }, $class);
}

# Exit status (128 and the signal's number where one ended it; -1 where it did not end), output, errors
sub _call {
    my ($self, @command) = @_;
    my $dir = $self->{node}{dir};
    my $pid = fork() // die "fork: $!\n";
    my $status;

    Crash::Exec::become("$dir/out", "$dir/err", @command) if !$pid;
    my $ended = eval {
        local $SIG{ALRM} = sub { die "late\n" };
        alarm($SECONDS);
        waitpid($pid, 0);
        $status = $?;
        alarm(0);
        1;
    };
    alarm(0);
    if (!$ended) {
        kill('KILL', $pid);
        waitpid($pid, 0);
    }
    return {
        command => join(' ', @command[1 .. $#command]), out => slurp("$dir/out"), err => slurp("$dir/err"),
        status => !$ended ? -1 : $status & 127 ? 128 + ($status & 127) : $status >> 8,
    };
}

sub _program {
    my ($self, @args) = @_;

    return ($self->{node}{program}, '--root', $self->{node}{root}, @args);
}

sub call {
    my ($self, @args) = @_;

    return $self->_call($self->_program(@args));
}

# The same under inject, with these of its options
sub injected {
    my ($self, $options, @args) = @_;

    return $self->_call($self->{inject}, @$options, '--', $self->_program(@args));
}

# Its points in a run in which nothing happens: at, effect, call, whether it can be short, object
sub points {
    my ($self, $reads, @args) = @_;
    my $file = "$self->{node}{dir}/points";
    my $ran = $self->injected([ '--points', $file, $reads ? '--reads' : () ], @args);
    my @points;

    $ran->{status} == 0 or die "$ran->{command}: status $ran->{status}: $ran->{err}\n";
    for my $line (split(/\n/, slurp($file))) {
        my ($at, $effect, $call, $short, $object) = $line =~ /^(\S+) (\S+) ([^ +]+)(\+?) ?(.*)$/ or die "point: '$line'\n";

        push(@points, { at => $at, effect => $effect, call => $call, short => $short, object => $object });
    }
    return @points;
}

1;
