# SPDX-License-Identifier: AGPL-3.0-or-later
package Load::Crowd;

# Many hooks at once, each VM's own one after another as PVE has it, with gc
# beside, a driver of changing moods, and some hooks killed. The oracle looks
# after each.

use strict;
use warnings;

use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

use Crash::Exec;
use Crash::File qw(slurp);
use Load::Random;
use Load::Vm;

my $HANGS_S = 900;	# more than any hook may take, on a busy machine too
my $MOOD_HOOKS = 15;	# after so many hooks the driver is in another mood
my $GC_HOOKS = 20;	# after so many hooks gc runs once more
my $KILLED = 5;		# of a hundred hooks

sub new {
    my ($class, $node, $oracle, %how) = @_;
    my $self = bless({ node => $node, oracle => $oracle, %how, running => {}, random => Load::Random->new($how{seed}),
        count => {}, slowest => 0, peak => 0, at_once_peak => 0, said => [] }, $class);
    my @vmids = (100 .. 99 + $how{vms});
    my $wants = $node->with_vms(@vmids);

    $self->{vms} = { map { $_ => Load::Vm->new($node, $how{seed}, $_, $wants->{$_}) } @vmids };
    $self->{out} = "$node->{dir}/said";
    mkdir($self->{out});
    return $self;
}

sub live {
    my ($self) = @_;

    return grep { $_->lives() } map { $self->{vms}{$_} } sort(keys(%{$self->{vms}}));
}

# --- processes --------------------------------------------------------------------------

sub _become {
    my ($self, $out, @args) = @_;

    $ENV{LD_PRELOAD} = $self->{locks} if $self->{locks};
    $ENV{LOAD_LOCKS} = "$self->{node}{dir}/locks";
    return Crash::Exec::become($out, $out, $self->{node}{program}, '--root', $self->{node}{root}, @args);
}

# spawn JOB ARGS…: JOB gets what else is known of it
sub _spawn {
    my ($self, $job, @args) = @_;

    $job->{out} = "$self->{out}/" . ++$self->{serial};
    $job->{begun} = time();
    my $pid = fork() // die "fork: $!\n";
    $self->_become($job->{out}, @args) if !$pid;
    $self->{running}{$pid} = $job;
    return;
}

# A status, or `killed` where that was on purpose
sub _status {
    my ($job, $status) = @_;

    return $status >> 8 if !($status & 127);
    return ($status & 127) == 9 && $job->{killed} ? 'killed' : 'signal ' . ($status & 127);
}

sub _kill_due {
    my ($self) = @_;
    my $now = time();

    for my $pid (keys(%{$self->{running}})) {
        my $job = $self->{running}{$pid};

        if (defined($job->{kill_at}) && !$job->{killed} && $now > $job->{kill_at}) {
            $job->{killed} = 1;
            kill('KILL', $pid);
        } elsif ($now > $job->{begun} + $HANGS_S && !$job->{hung}++) {
            $self->{oracle}->blame(answers => "$job->{what}: it has not ended after $HANGS_S s: " . _said($job));
            kill('KILL', $pid);
        }
    }
    return;
}

# In one line. One that was killed early has not even opened it.
sub _said {
    my ($job) = @_;

    return -e $job->{out} ? slurp($job->{out}) =~ s/\s+/ /gr : '';
}

# One that has ended, if there is one
sub _reap {
    my ($self) = @_;
    my $pid = waitpid(-1, WNOHANG);
    my $job = $pid > 0 ? delete($self->{running}{$pid}) : undef;

    return if !$job;
    my $ran = { status => _status($job, $?), said => _said($job) };
    unlink($job->{out});
    $job->{done}->($job, $ran);
    $self->_waited_in_vain($job, $ran);
    my $there = $self->{oracle}->look($self->live());
    $self->{peak} = $there if $there > $self->{peak};
    return 1;
}

# What another process holds of ours; that PVE's own lock is held is gc's reason to keep.
sub _waited_in_vain {
    my ($self, $job, $ran) = @_;

    $self->{vain}++ if $job->{may_stay} && $ran->{said} =~ / stays: .* is held by/;
    return if $job->{may_stay} || $ran->{status} ne '1' || $ran->{said} !~ /(?:lock of .*|node lock|reservations\S*) is held by/;
    $self->{oracle}->blame(waits => "$job->{what}: $ran->{said}");
    return;
}

# --- hooks and gc -----------------------------------------------------------------------

sub _hook_done {
    my ($self, $job, $ran) = @_;
    my $vm = $job->{vm};
    my $took = time() - $job->{begun};

    delete($vm->{busy});
    $self->{count}{"$job->{phase} $ran->{status}"}++;
    $self->{slowest} = $took if $took > $self->{slowest} && !$job->{killed};
    push(@{$self->{times}}, $took) if !$job->{killed};
    $self->{oracle}->reservation_told($vm->{vmid}) if $job->{phase} eq 'post-stop' && $ran->{status} eq '1' && $ran->{said} =~ /pci-id-reservations/;
    $self->{oracle}->blame(answers => $vm->ended($job->{phase}, $ran));
    return;
}

sub _hook {
    my ($self, $vm, $phase, $may_die) = @_;
    my $job = { vm => $vm, phase => $phase, what => "vm $vm->{vmid} $phase", may_stay => $phase eq 'post-stop' };

    $vm->{busy} = 1;
    # The time is the machine's, so not out of the VM's own numbers.
    $job->{kill_at} = time() + $self->{random}->below(400) / 1000 if $may_die && $self->{random}->below(100) < $KILLED;
    $job->{done} = sub { $self->_hook_done(@_) };
    $self->_spawn($job, $vm->{vmid}, $phase);
    return;
}

sub _gc_done {
    my ($self, $job, $ran) = @_;

    $self->{gc_runs}++;
    $self->{gc_removed} += () = $ran->{said} =~ /: removed/g;
    $self->{oracle}->blame(answers => "gc: it ends with $ran->{status}: $ran->{said}")
        if $ran->{status} ne '0' && ($ran->{status} ne '1' || $ran->{said} !~ /could not be removed/);
    return;
}

sub _gc {
    my ($self) = @_;

    $self->_spawn({ what => 'gc', may_stay => 1, done => sub { $self->_gc_done(@_) } }, 'gc');
    return;
}

# --- the crowd --------------------------------------------------------------------------

sub _hooks_running {
    my ($self) = @_;

    return scalar(grep { $_->{vm} } values(%{$self->{running}}));
}

# The first of those who are to come whose VM has nothing to do; they are in an order of the seed's
sub _next_idle {
    my ($self, $queue) = @_;

    for my $i (0 .. $#$queue) {
        my $vm = $self->{vms}{$queue->[$i]};

        next if $vm->{busy};
        splice(@$queue, $i, 1);
        return $vm;
    }
    return;
}

sub _launch {
    my ($self, $vm, $begun) = @_;

    if ($self->{faults} && $begun % $MOOD_HOOKS == 0) {
        my $mood = $self->{node}->mood($self->{random});

        $self->{moods}{$mood}++;
    }
    $self->_gc() if $begun % $GC_HOOKS == $GC_HOOKS - 1;
    $self->_hook($vm, $vm->next_phase(), $self->{faults});
    return;
}

# All of these jobs, so many at once; next: what is launched next, nothing where it has to wait
sub _go_through {
    my ($self, $left, $next) = @_;

    while ($left->() || %{$self->{running}}) {
        while ($self->_hooks_running() < $self->{at_once} && $left->() && $next->()) {
            my $n = $self->_hooks_running();

            $self->{at_once_peak} = $n if $n > $self->{at_once_peak};
        }
        $self->_kill_due();
        $self->_reap() or sleep(0.003);
    }
    return;
}

sub hooks {
    my ($self) = @_;
    my @vmids = sort(keys(%{$self->{vms}}));
    my @queue = map { $self->{random}->pick(@vmids) } 1 .. $self->{hooks};
    my $begun = 0;

    $self->_go_through(sub { scalar(@queue) }, sub {
        my $vm = $self->_next_idle(\@queue) or return;

        $self->_launch($vm, $begun++);
        return 1;
    });
    $self->{ran} = $begun;
    return;
}

# Every VM ends, and what they have left is old.
sub end {
    my ($self) = @_;
    my @vms = map { $self->{vms}{$_} } sort(keys(%{$self->{vms}}));

    $self->{node}->calm();
    $self->_go_through(sub { scalar(@vms) }, sub { my $vm = shift(@vms); $self->_hook($vm, $vm->end(), 0); return 1 });
    $self->{node}->control('selfclean', 'clear');
    $self->{node}->time_passes();
    my $once = 1;
    $self->_go_through(sub { $once }, sub { $once = 0; $self->_gc(); return 1 });
    $self->{oracle}->look_in_the_end();
    return;
}

sub figures {
    my ($self) = @_;
    my @times = sort { $a <=> $b } @{$self->{times} // []};

    return (
        sprintf('%d hooks of %d VMs, at most %d at once; %d vGPUs at the most', $self->{ran}, scalar(keys(%{$self->{vms}})),
            $self->{at_once_peak}, $self->{peak}),
        'by phase and status: ' . join(', ', map { "$_: $self->{count}{$_}" } sort(keys(%{$self->{count}}))),
        sprintf('a hook took %.1f s at the longest, half of them less than %.2f s', $self->{slowest}, @times ? $times[$#times / 2] : 0),
        sprintf('gc ran %d times beside and took the vGPUs of %d VMs; post-stops that left a vGPU because its GPU was busy for too long: %d',
            $self->{gc_runs} // 0, $self->{gc_removed} // 0, $self->{vain} // 0),
        'the driver: ' . (join(', ', map { "$_ $self->{moods}{$_}" } sort(keys(%{$self->{moods} // {}}))) || 'calm'),
    );
}

1;
