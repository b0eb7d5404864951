# SPDX-License-Identifier: AGPL-3.0-or-later
package Crash::Jobs;

# Programs side by side, some at a time, each with its output in a file.

use strict;
use warnings;

use Crash::Exec;

sub _start {
    my ($job) = @_;
    my $pid = fork() // die "fork: $!\n";

    return $pid if $pid;
    delete(@SIG{qw(INT TERM HUP)});
    return Crash::Exec::become($job->{to}, $job->{to}, @{$job->{command}});
}

# run N DONE JOB...: N at a time; a job has `command` and `to`, and DONE is called with each that has ended.
# Where this program is told to end those that run are ended first, and have taken their nodes away then.
sub run {
    my ($n, $done, @jobs) = @_;
    my %running;
    local @SIG{qw(INT TERM HUP)} = (sub {
        kill('TERM', keys(%running));
        waitpid($_, 0) for keys(%running);
        exit(1);
    }) x 3;

    while (@jobs || %running) {
        while (@jobs && keys(%running) < $n) {
            my $job = shift(@jobs);

            $running{_start($job)} = $job;
        }
        my $pid = waitpid(-1, 0);

        last if $pid < 0;
        my $job = delete($running{$pid}) or next;
        $done->($job);
    }
    return;
}

1;
