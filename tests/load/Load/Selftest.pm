# SPDX-License-Identifier: AGPL-3.0-or-later
package Load::Selftest;

# The oracle, with each of its rules broken on purpose: a node with two VMs that
# run, then something is done to it that must not happen, and that has to be found.

use strict;
use warnings;

use Fcntl qw(LOCK_EX O_CREAT O_RDWR);

use Crash::File qw(slurp spew);
use Load::Crowd;
use Load::Node ();
use Load::Oracle;

my $LEAKED = '6f1c2a52-5d35-4c3e-9d8e-3a8c2f0f7c11';

sub _place { return $_[0]{vms}{$_[1]}{places}[0] }

# VM 101's record names the place of VM 100 too, as if both had been given it.
sub _double_record {
    my ($node, $crowd) = @_;
    my ($from, $to) = map { $node->record_path($_) } 100, 101;

    spew("$to.new", slurp($from) =~ s/"vmid":\s*100/"vmid": 101/r);
    rename("$to.new", $to);
    return;
}

sub _double_live {
    my ($node, $crowd) = @_;

    $crowd->{vms}{101}{places} = $crowd->{vms}{100}{places};
    return;
}

sub _gone {
    my ($node, $id) = @_;

    $node->control('open', "$id no");
    $node->take_away($id);
    return;
}

# What breaks a rule: the rule, what is said of it, what is done
my @BROKEN = (
    [ double => qr/^vm 100 and vm 101 both have \S+ on record$/, \&_double_record ],
    [ double => qr/^vm 100 and vm 101 were both given /, \&_double_live ],
    [ max => qr/^GPU 0000:\S+ has 33 vGPUs of types that allow 32$/, sub {
        my ($node, $crowd) = @_;
        my @vfs = $node->vfs($node->{gpus}[9]);

        $crowd->{oracle}->blame(max => $crowd->{oracle}->too_many(map { { parent => $vfs[$_], type => 557 } } 0 .. 32));
    } ],
    [ max => qr/^GPU 0000:\S+ has vGPUs of several sizes: 12288, 24576$/, sub {
        my ($node, $crowd) = @_;
        my @vfs = $node->vfs($node->{gpus}[9]);

        $crowd->{oracle}->blame(max => $crowd->{oracle}->too_many({ parent => $vfs[0], type => 575 }, { parent => $vfs[1], type => 573 }));
    } ],
    [ taken => qr/^vm 100, which runs, has lost /, sub { _gone($_[0], Load::Node::id(_place($_[1], 100))) } ],
    [ taken => qr/^QEMU of vm 100 has lost hold of /, sub { $_[0]->control('open', Load::Node::id(_place($_[1], 100)) . ' no') } ],
    [ foreign => qr/^the foreign vGPU .* is gone$/, sub { $_[0]->take_away(Load::Node::id($_[1]{oracle}{foreign}[1])) } ],
    [ foreign => qr/^vm 100 has the foreign vGPU .* on record$/, sub {
        my ($node, $crowd) = @_;

        push(@{$crowd->{oracle}{foreign}}, _place($crowd, 100));
    } ],
    [ lost => qr/^vGPU .* is on no record$/, sub { $_[0]->make($LEAKED, ($_[0]->vfs($_[0]{gpus}[9]))[7]) } ],
    [ lost => qr/^vGPU .* is on no record$/, sub { unlink($_[0]->record_path(100)) } ],
);

# The same of what is left in the end
my @LEFT = (
    [ qr/^vGPU .* is left$/, sub { $_[0]->make($LEAKED, ($_[0]->vfs($_[0]{gpus}[9]))[7]) } ],
    [ qr/^record .*100\.json is left$/, sub { spew($_[0]->record_path(100), '{}') } ],
    [ qr/^reservation '.*' is left$/, sub { spew("$_[0]{root}/run/qemu-server/pci-id-reservations", "0000:17:00.5 100 time:1\n") } ],
    [ qr/^temporary file .* is left$/, sub { spew("$_[0]{root}/run/pve-vgpu/.100.json.7.tmp", '') } ],
    [ qr/^lock .*node is held$/, sub {
        my ($node, $crowd) = @_;

        sysopen(my $fh, "$node->{root}/run/pve-vgpu/locks/node", O_RDWR | O_CREAT) or die "open the node lock: $!\n";
        flock($fh, LOCK_EX);
        $crowd->{held} = $fh;
    } ],
);

# What a hook says, and what it has to be blamed for
my @ANSWERS = (
    [ 'pre-start', 'signal 11', '', qr/it ends with signal 11/ ],
    [ 'pre-start', 2, 'usage', qr/it ends with 2/ ],
    [ 'pre-start', 1, '', qr/fails without a word/ ],
    [ 'pre-start', 1, 'pve-vgpu: vm 100: pre-start: the node lock is held by vm 7', qr/it fails: .*the node lock is held by/ ],
    [ 'pre-stop', 1, 'pve-vgpu: vm 100: pre-stop: something', qr/it fails: / ],
);

# Two VMs that run on a node where nothing else has been
sub _crowd {
    my ($node) = @_;

    $node->empty();
    my $oracle = Load::Oracle->new($node, $node->with_foreign());
    my $crowd = Load::Crowd->new($node, $oracle, seed => 1, hooks => 0, vms => 2, at_once => 1);

    for my $vmid (100, 101) {
        my $vm = $crowd->{vms}{$vmid};

        system("'$node->{program}' --root '$node->{root}' $vmid pre-start > '$node->{dir}/output' 2>&1") == 0
            or die "vm $vmid pre-start: " . slurp("$node->{dir}/output");
        $vm->{was} = 'is off';
        my @wrong = $vm->ended('pre-start', { status => '0', said => '' });
        die "@wrong\n" if @wrong;
        $node->qemu($vmid, map { Load::Node::id($_) } @{$vm->{places}});
        $vm->{st} = 'runs';
    }
    return $crowd;
}

# What is told: [ whether it was found, of what, what was said instead ]
sub _result {
    my ($node, $said, @wrong) = @_;
    my $found = grep { $_ =~ $said } @wrong;
    my $text = "$said" =~ s/^\(\?\^:(.*)\)$/$1/r;

    return [ $found, "$node->{framework}: told: $text", $found ? () : @wrong ? @wrong : 'nothing was found' ];
}

sub _moment {
    my ($broken, $node) = @_;
    my $crowd = _crowd($node);
    my ($rule, $said, $break) = @$broken;

    $crowd->{oracle}->look($crowd->live());
    my @before = map { $crowd->{oracle}->wrong($_->[0]) } @Load::Oracle::RULES;
    return [ 0, 'two VMs that run break no rule', @before ] if @before;
    $break->($crowd->{node}, $crowd);
    $crowd->{oracle}->look($crowd->live());
    return _result($node, $said, $crowd->{oracle}->wrong($rule));
}

sub _in_the_end {
    my ($left, $node) = @_;
    my $crowd = _crowd($node);

    for my $vmid (100, 101) {
        my $vm = $crowd->{vms}{$vmid};

        $node->qemu_gone($vmid);
        $node->take_away(Load::Node::id($_)) for @{$vm->{places}};
        unlink($node->record_path($vmid));
    }
    unlink("$node->{root}/run/qemu-server/pci-id-reservations");
    $crowd->{oracle}->look_in_the_end();
    my @before = $crowd->{oracle}->wrong('left');
    return [ 0, 'a node with nothing left breaks no rule', @before ] if @before;
    $left->[1]->($node, $crowd);
    $crowd->{oracle}->look_in_the_end();
    return _result($node, $left->[0], $crowd->{oracle}->wrong('left'));
}

sub _answers {
    my ($node) = @_;
    my $crowd = _crowd($node);

    return map {
        my ($phase, $status, $said, $blame) = @$_;
        my $vm = $crowd->{vms}{100};

        $vm->{was} = $vm->{st};
        _result($node, $blame, $vm->ended($phase, { status => $status, said => $said }));
    } @ANSWERS;
}

sub all {
    my ($node) = @_;

    return (map({ _moment($_, $node) } @BROKEN), map({ _in_the_end($_, $node) } @LEFT), _answers($node));
}

1;
