# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::Try;

# One scenario: its points, each met by everything that can happen there, and
# after each everything that must hold.

use strict;
use warnings;

use Crash::Life;

my $NOT_REACHED = 124;
my $TRIES = 3;		# where two things run side by side a point can stay away

# What a call of that kind can fail with, by the manual pages and by what /etc/pve, /run and sysfs answer
my %ERRNOS;
$ERRNOS{$_} = [qw(ENOSPC EIO EACCES EROFS EMFILE ENOMEM EINTR)] for qw(open openat openat2 creat);
$ERRNOS{$_} = [qw(ENOSPC EIO EACCES EROFS ENOMEM EINTR)]
    for qw(rename renameat renameat2 unlink unlinkat rmdir mkdir mkdirat link linkat symlink symlinkat truncate
        chmod fchmod fchmodat chown fchown fchownat utimensat mount umount2);
$ERRNOS{$_} = [qw(ENOSPC EIO EACCES ENOMEM EINTR)] for qw(write pwrite64 writev);
$ERRNOS{$_} = [qw(ENOSPC EIO EROFS EINTR)] for qw(fsync fdatasync ftruncate fallocate);
$ERRNOS{$_} = [qw(EIO EACCES ENOLCK ENOMEM EINTR)] for qw(flock fcntl);
$ERRNOS{$_} = [qw(EAGAIN ENOMEM)] for qw(fork vfork clone clone3);
$ERRNOS{$_} = [qw(EIO EACCES EMFILE ENOMEM)] for qw(execve execveat);
$ERRNOS{kill} = [qw(EPERM)];
my %READ_ERRNOS;
$READ_ERRNOS{$_} = [qw(EIO EACCES EMFILE)] for qw(open openat openat2);
$READ_ERRNOS{$_} = [qw(EIO EINTR)] for qw(read pread64 getdents64);
$READ_ERRNOS{$_} = [qw(EIO EACCES)] for qw(readlink readlinkat stat lstat fstat newfstatat statx);

# Of these it also happens that they say so and have been done nevertheless, with a driver or a file system behind them
my %DONE_ALL_THE_SAME = map { $_ => 1 } qw(write pwrite64 rename renameat renameat2 unlink unlinkat mkdir mkdirat symlinkat);

sub new {
    my ($class, $node, $run, $scenario) = @_;

    my $command = $scenario->{command};

    return bless({ node => $node, run => $run, s => {
        %$scenario, command => ref($command) eq 'CODE' ? [ $command->($node) ] : $command } }, $class);
}

# The node as it is before the command
sub _begin {
    my ($self) = @_;
    my ($node, $s) = @$self{qw(node s)};

    $self->{to} //= { $s->{to}->($node, $self->{run}) };
    $node->reset(%{$self->{to}});
    my @wrong = $s->{prepare} ? $s->{prepare}->($node, $self->{run}) : ();
    die "$s->{name}: prepare: " . join('; ', @wrong) . "\n" if @wrong;
    return;
}

# What the files of the admin are, in one text
sub _texts {
    my ($self) = @_;
    return $self->{node}->texts(sort(keys(%{$self->{to}{confs}})), @{$self->{s}{texts} // []});
}

# A run in which nothing happens, for its points and for what it leaves
sub _points {
    my ($self, $reads) = @_;

    $self->_begin();
    $self->{before} = $self->_texts();
    my @points = $self->{run}->points($reads, @{$self->{s}{command}});
    $self->{s}{settle}->($self->{node}) if $self->{s}{settle};
    $self->{after} = $self->_texts();
    @{$self->{s}}{qw(before after)} = @$self{qw(before after)};
    if (my @wrong = $self->{s}{done}->($self->{node}, $self->{run}, $self->{s})) {
        die "$self->{s}{name}: with nothing happening: " . join('; ', @wrong) . "\n";
    }
    return grep { ($_->{effect} eq 'read') == !!$reads } @points;
}

# Everything that is to be tried: kind, point, words, options of inject
sub _tries {
    my ($self, $what) = @_;
    my @tries;

    my @changes = $what->{kill} || $what->{fail} ? $self->_points(0) : ();
    for my $point ($what->{kill} ? @changes : ()) {
        push(@tries, map { { kind => 'kill', point => $point, words => "killed $_", options => [ '--at', $point->{at}, "--$_", '--kill' ] } }
            qw(before after));
    }
    for my $point ($what->{fail} ? @changes : ()) {
        my $errnos = $ERRNOS{$point->{call}} or die "no errnos for $point->{call}\n";

        push(@tries, map { { kind => 'fail', point => $point, words => $_, options => [ '--at', $point->{at}, '--errno', $_ ] } } @$errnos);
        push(@tries, { kind => 'fail', point => $point, words => 'short', options => [ '--at', $point->{at}, '--short' ] }) if $point->{short};
        push(@tries, { kind => 'fail', point => $point, words => 'EIO, and done', options => [ '--at', $point->{at}, '--after', '--errno', 'EIO' ] })
            if $DONE_ALL_THE_SAME{$point->{call}} && !($self->{s}{takes} && $point->{object} =~ m!/current_vgpu_type$!);
    }
    for my $point ($what->{read} && !$self->{s}{polls} ? $self->_points(1) : ()) {
        my $errnos = $READ_ERRNOS{$point->{call}} or die "no errnos for $point->{call}\n";

        push(@tries, map { { kind => 'read', point => $point, words => $_,
            options => [ '--reads', '--at', $point->{at}, '--errno', $_ ] } } @$errnos);
    }
    return @tries;
}

sub _name {
    my ($self, $try) = @_;
    my $object = $try->{point}{object} =~ s/^\Q$self->{node}{root}\E//r;

    return "$try->{point}{at} $try->{point}{call} $object: $try->{words}";
}

sub list {
    my ($self, $what) = @_;

    return map { $self->_name($_) } $self->_tries($what);
}

# What is not as it is to be where the command says that it is done; what it says that it has left need not be
sub _undone {
    my ($self, $try, $ran) = @_;
    my $s = $self->{s};

    return if $s->{tells} && $try->{kind} eq 'read' && "$ran->{out}$ran->{err}" =~ $s->{tells};
    return $s->{done}->($self->{node}, $self->{run}, $s);
}

# What holds as soon as the command has ended
sub _at_once {
    my ($self, $try, $ran) = @_;
    my ($node, $s) = @$self{qw(node s)};
    my @wrong;
    my $now = $self->_texts();

    if ($ran->{status} == -1) {
        push(@wrong, 'it does not end');
    } elsif ($ran->{status} == 0) {
        push(@wrong, map { "it says that it is done, but $_" } $self->_undone($try, $ran));
    } elsif ($try->{kind} eq 'kill' ? $ran->{status} != 1 && $ran->{status} != 137 : $ran->{status} != 1) {
        push(@wrong, "it ends with $ran->{status}: $ran->{err}");
    } elsif ($ran->{status} == 1 && $ran->{err} !~ /\S/ && $try->{point}{object} ne "$node->{dir}/err") {
        push(@wrong, 'it fails without a word');
    }
    for my $text (sort(keys(%$now))) {
        push(@wrong, 'neither as before nor after: ' . Crash::Life::differs($text, $now->{$text}, $self->{after}{$text}))
            if $now->{$text} ne $self->{before}{$text} && $now->{$text} ne $self->{after}{$text};
    }
    return @wrong;
}

# In the end: nothing left, and what is the admin's as it is to be
sub _in_the_end {
    my ($self) = @_;
    my $s = $self->{s};
    my $now = $self->_texts();
    my $wanted = $s->{ends} ? $s->{ends}->($self->{node}, $s) : $self->{before};

    return (
        Crash::Life::nothing_left($self->{node}),
        map { Crash::Life::differs($_, $now->{$_}, $wanted->{$_}) } sort(keys(%$now)),
    );
}

# One point and one way out
sub _once {
    my ($self, $try, $way) = @_;

    # Where PVE's file cannot be written a line can stay that holds nothing any more; a crash leaves none.
    $self->{node}{dead_reservations} = $try->{kind} ne 'kill';
    for (1 .. $TRIES) {
        $self->_begin();
        my $ran = $self->{run}->injected($try->{options}, @{$self->{s}{command}});

        next if $ran->{status} == $NOT_REACHED;
        my @wrong = $self->_at_once($try, $ran);

        $self->{s}{settle}->($self->{node}) if $self->{s}{settle};

        return ($ran, @wrong, $way->[1]->($self->{node}, $self->{run}, $self->{s}), $self->_in_the_end());
    }
    return ({ out => '', err => '', status => $NOT_REACHED }, 'the point did not come');
}

sub _show {
    my ($self, $try, $way, $ran, @wrong) = @_;

    print("FAILED $self->{s}{name} ", $self->_name($try), " [$way->[0]]\n",
        map({ my $text = $_; chomp($text); $text =~ s/\n/\n\t\t/g; "\t$text\n" } @wrong),
        "\tit said, with status $ran->{status}:\n", map({ "\t\t$_\n" } split(/\n/, "$ran->{out}$ran->{err}")));
    return;
}

# After a crash all ways out are gone; after a failed call, of which there are many more, one in turn.
sub _ways {
    my ($self, $try, $turn, $which) = @_;
    my @ways = @{$self->{s}{ways}};

    return [ none => sub { return } ] if $which eq 'none';
    return $which eq 'all' || ($which eq '' && $try->{kind} eq 'kill') ? @ways : $ways[$turn % @ways];
}

# Everything is tried: how much, and how much of it passed
sub all {
    my ($self, $what, $at, $which) = @_;
    my %count = (tried => 0, passed => 0, of => {});

    for my $try ($self->_tries($what)) {
        next if defined($at) && $try->{point}{at} ne $at;
        my $failed = 0;

        for my $way ($self->_ways($try, $count{tried}, $which)) {
            my ($ran, @wrong) = $self->_once($try, $way);

            next if !@wrong;
            $failed = 1;
            $self->_show($try, $way, $ran, @wrong);
        }
        my $of = $count{of}{$try->{kind}} //= [ 0, 0 ];

        $count{tried}++;
        $count{passed}++ if !$failed;
        $of->[0] += !$failed;
        $of->[1]++;
    }
    return \%count;
}

1;
