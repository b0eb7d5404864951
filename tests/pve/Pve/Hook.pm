# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Hook;

# The hookscript: called with vmid and phase, without input, its output passed
# on as it comes. In pre-start its failure ends the start, elsewhere it is a
# warning.

use strict;
use warnings;

use Time::HiRes qw(time);

use Pve::Lock;

# A hook that has not ended by then would hold up a real node too.
my $LIMIT_S = 30;

# Not what the hook answered, but that the test has failed.
my $TEST_FAILED = 3;

sub _script {
    my ($node, $volume) = @_;
    my ($name) = $volume =~ m|^local:snippets/([^/]+)$|
        or die "'$volume' is no snippet of storage 'local'\n";
    my $path = $node->path("/var/lib/vz/snippets/$name");

    die "'$volume': no such file\n" if !-f $path;
    die "'$volume' cannot be executed\n" if !-x $path;
    return $path;
}

sub _spawn {
    my ($out, $err, @argv) = @_;
    my $pid = fork() // die "fork: $!\n";

    return $pid if $pid;
    setpgrp(0, 0);
    # Standard input is there and at its end.
    pipe(my $read, my $write) or exit(127);
    close($write);
    open(STDIN, '<&', $read) && open(STDOUT, '>&', $out) && open(STDERR, '>&', $err) or exit(127);
    exec { $argv[0] } @argv or exit(127);
}

# The hook must never need the lock that PVE holds while it calls it.
sub _watch {
    my ($pid, $begin, $what) = @_;
    my $fault =
          Pve::Lock::is_waited_for() ? 'waits for a lock that PVE holds'
        : time() - $begin > $LIMIT_S ? "has not ended after $LIMIT_S s"
        :                              return;

    kill('KILL', -$pid);
    print STDERR "TEST FAILED: the hookscript $fault, $what\n";
    exit($TEST_FAILED);
}

# False at the end of it.
sub _pass {
    my ($from, $to) = @_;
    my $read = sysread($from, my $text, 65536);

    syswrite($to, $text) if $read;
    return $read;
}

# STREAMS: [where from, where to]
sub _pass_on {
    my ($pid, $what, @streams) = @_;
    my $begin = time();

    while (@streams) {
        my $ready = '';
        vec($ready, fileno($_->[0]), 1) = 1 for @streams;
        select($ready, undef, undef, 0.05);
        @streams = grep { !vec($ready, fileno($_->[0]), 1) || _pass($_->@*) } @streams;
        _watch($pid, $begin, $what);
    }
    return;
}

sub _run {
    my ($node, $script, $vmid, $phase) = @_;

    pipe(my $out, my $out_end) or die "pipe: $!\n";
    pipe(my $err, my $err_end) or die "pipe: $!\n";
    my $begin = time();
    my $pid = _spawn($out_end, $err_end, $script, $vmid, $phase);
    close($out_end);
    close($err_end);
    _pass_on($pid, "vm $vmid $phase",
        [$out, \*STDOUT], [$err, \*STDERR]);
    waitpid($pid, 0);
    $node->trace('hook', $vmid, $phase, "status=$?", 'ms=' . int((time() - $begin) * 1000));
    die "signal " . ($? & 127) . "\n" if $? & 127;
    die "exit status " . ($? >> 8) . "\n" if $?;
    return;
}

# call(NODE, CONF, VMID, PHASE): dies on failure of pre-start alone
sub call {
    my ($node, $conf, $vmid, $phase) = @_;

    return if !$conf->{hookscript};
    eval { _run($node, _script($node, $conf->{hookscript}), $vmid, $phase) };
    if ($@) {
        my $text = "hookscript of vm $vmid failed in $phase: $@";
        die $text if $phase eq 'pre-start';
        warn $text;
    }
    return;
}

1;
