# SPDX-License-Identifier: AGPL-3.0-or-later
package Pve::Tool::Call;

# One call of a stand-in for one of PVE's programs: noted in ROOT/.pve/log, met
# by the fault that a test has laid for it in ROOT/.pve/faults, carried out.
#
# The log has one JSON object a line: tool, argv, pid, cwd, env (the names).
# A fault is a line of fields with tabs between them:
#   how often TAB a pattern for "qm set 100 …" TAB what TAB more
# and what is one of
#   fail STATUS TEXT    nothing done; status, and the text on standard error
#   hang                nothing done, and no end
#   kill                nothing done; ended by a signal
#   before COMMAND      /bin/sh runs that, then the call is carried out
# fail, hang, kill and a command can also come `after` what is done: after-fail,
# after-hang, after-kill, after.

use strict;
use warnings;

use Fcntl qw(LOCK_EX O_APPEND O_CREAT O_RDWR O_WRONLY);

use Pve::Tool::Cluster;

# Enough of JSON, without the time that its module takes to load
sub _quote {
    my ($text) = @_;

    $text =~ s/([\\"])/\\$1/g;
    $text =~ s/([\x00-\x1f])/sprintf('\u%04x', ord($1))/ge;
    return "\"$text\"";
}

sub _list {
    return '[' . join(',', map { _quote($_) } @_) . ']';
}

sub _note {
    my ($root, $tool, @argv) = @_;
    my $line = sprintf(
        '{"tool":%s,"argv":%s,"pid":%d,"cwd":%s,"env":%s}' . "\n",
        _quote($tool), _list(@argv), $$, _quote(readlink('/proc/self/cwd') // ''), _list(sort keys %ENV),
    );

    sysopen(my $fh, "$root/.pve/log", O_WRONLY | O_APPEND | O_CREAT)
        or die "open '$root/.pve/log': $!\n";
    syswrite($fh, $line);
    close($fh);
    return;
}

# Takes one from the number of the first fault whose pattern the call matches.
sub _take_fault {
    my ($root, $call) = @_;
    my ($taken, @rest);

    return if !-e "$root/.pve/faults";
    sysopen(my $fh, "$root/.pve/faults", O_RDWR) or die "open '$root/.pve/faults': $!\n";
    flock($fh, LOCK_EX);
    while (my $line = <$fh>) {
        my ($count, $pattern, @what) = split(/\t/, $line =~ s/\n$//r);
        if (!$taken && $count > 0 && $call =~ m/$pattern/) {
            $taken = \@what;
            $line = join("\t", $count - 1, $pattern, @what) . "\n";
            next if $count == 1;
        }
        push @rest, $line;
    }
    seek($fh, 0, 0);
    truncate($fh, 0);
    print $fh @rest;
    close($fh);
    return $taken ? @$taken : ();
}

my %meet = (
    fail => sub {
        my ($root, $status, $text) = @_;

        print STDERR "$text\n" if defined($text) && $text ne '';
        exit($status);
    },
    hang => sub { sleep(3600) while 1; },
    kill => sub { kill('KILL', $$); },
    command => sub {
        my ($root, $command) = @_;

        system('/bin/sh', '-c', $command) == 0 or die "fault: '$command' failed\n";
    },
);

my %before = (fail => 'fail', hang => 'hang', kill => 'kill', before => 'command');
my %after = ('after-fail' => 'fail', 'after-hang' => 'hang', 'after-kill' => 'kill', after => 'command');

sub _meet {
    my ($when, $root, $what, @more) = @_;

    $meet{ $when->{$what} }->($root, @more) if defined($what) && $when->{$what};
    return;
}

# run(NAME, ROOT, CODE): CODE gets the cluster and the arguments. What PVE's
# programs refuse ends with status 255.
sub run {
    my ($tool, $root, $code) = @_;
    my @argv = @ARGV;

    STDOUT->autoflush(1);
    _note($root, $tool, @argv);
    my @fault = _take_fault($root, join(' ', $tool, @argv));
    die "fault: no such thing: $fault[0]\n" if @fault && !$before{ $fault[0] } && !$after{ $fault[0] };
    _meet(\%before, $root, @fault);
    my $status = 0;
    if (!eval { $code->(Pve::Tool::Cluster->new($root), @argv); 1 }) {
        print STDERR $@;
        $status = ref($@) ? $@->{status} : 255;
    }
    _meet(\%after, $root, @fault);
    exit($status);
}

1;
