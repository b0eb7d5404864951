# SPDX-License-Identifier: AGPL-3.0-or-later
package Bench::Plot;

# How the cost of a job grows: for gnuplot, panels of a row for each figure and a column for each job. Text, axes and lines are of a
# middle grey and of middle colours, and the ground is left out, so that it can be read on a light page and on a dark one.

use strict;
use warnings;

use Exporter qw(import);

use Bench::Records qw(only values_of);

our @EXPORT_OK = qw(data finished script);

my @LINES = (
    { tool => 'ours', framework => 'mdev', title => 'pve-vgpu', colour => '#e0631b', dash => 1, point => 7 },
    { tool => 'ours', framework => 'nvidia-vfio', title => 'pve-vgpu, vendor VFIO', colour => '#e0631b', dash => 2, point => 6 },
    { tool => 'mdevctl', framework => 'mdev', title => 'mdevctl (create, start: told where)', colour => '#3d85c6', dash => 1, point => 5 },
    { tool => 'shell', framework => 'mdev', title => 'shell loop', colour => '#2f9e6e', dash => 1, point => 9 },
    { tool => 'perl', framework => 'mdev', title => 'Perl loop (create: told where)', colour => '#b565b0', dash => 1, point => 11 },
    { tool => 'perl', framework => 'nvidia-vfio', title => 'Perl loop, vendor VFIO', colour => '#b565b0', dash => 2, point => 10 },
);
my @ROWS = (
    { figure => 'operations', label => 'operations' },
    { figure => 'syscalls', label => 'system calls' },
    { figure => 'us', label => 'time, relative' },
    { figure => 'rss_kib', label => 'peak memory, KiB' },
);
my @JOBS = qw(types create start);
my $GREY = '#808080';

# What times are multiples of in a panel: pve-vgpu's on the mdev bus on the smallest node
sub _unit {
    my ($axis, @records) = @_;

    my ($least) = sort { $a->{$axis} <=> $b->{$axis} } only(\@records, tool => 'ours', framework => 'mdev');
    return $least && $least->{us} ? $least->{us} : 1;
}

# data AXIS, JOB, RECORDS: gnuplot's data blocks of a column of panels, "$types_ours_mdev << END": x and a column for each row
sub data {
    my ($axis, $job, @all) = @_;

    my @records = only(\@all, job => $job);
    my $unit = _unit($axis, @records);
    my $text = '';
    for my $line (@LINES) {
        my @own = sort { $a->{$axis} <=> $b->{$axis} } only(\@records, tool => $line->{tool}, framework => $line->{framework});
        next if !@own;
        $text .= "\$${job}_$line->{tool}_" . ($line->{framework} =~ s/\W/_/gr) . " << END\n";
        for my $r (@own) {
            my @row = map { $_->{figure} eq 'us' ? sprintf('%.3f', $r->{us} / $unit) : $r->{ $_->{figure} } } @ROWS;
            $text .= join(' ', $r->{$axis}, @row) . "\n";
        }
        $text .= "END\n";
    }
    return $text;
}

sub _panel {
    my ($axis, $x, $job, $row, @all) = @_;

    my @records = only(\@all, job => $job);
    my @plots;
    for my $line (@LINES) {
        next if !only(\@records, tool => $line->{tool}, framework => $line->{framework});
        my $block = "\$${job}_$line->{tool}_" . ($line->{framework} =~ s/\W/_/gr);
        my $column = $row + 2;
        push(@plots, "$block using 1:$column with linespoints lc rgb '$line->{colour}' dt $line->{dash} pt $line->{point} ps 0.5 lw 1.4 notitle");
    }
    my @x = values_of($axis, @records);
    my $tics = join(', ', @x);
    my $text = "set title '" . ($row == 0 ? $job : '') . "'\n";
    $text .= "set xlabel '" . ($row == $#ROWS ? $x : '') . "'\nset ylabel '" . ($job eq $JOBS[0] ? $ROWS[$row]{label} : '') . "'\nset xtics ($tics)\n"
        . sprintf("set xrange [%g:%g]\n", $x[0] / 1.1, $x[-1] * 1.1);
    return $text . 'plot ' . join(", \\\n     ", @plots) . "\n";
}

# The legend is a row of its own: a panel with nothing in it but titles.
sub _legend {
    my @plots = map { "NaN with linespoints lc rgb '$_->{colour}' dt $_->{dash} pt $_->{point} ps 0.6 lw 1.4 title '$_->{title}'" } @LINES;

    return <<"END" . 'plot ' . join(", \\\n     ", @plots) . "\nunset multiplot\n";
set origin 0, 0
set size 1, 0.07
set title ''
unset xlabel
unset ylabel
unset xtics
unset ytics
unset grid
unset border
unset logscale
set lmargin 0
set rmargin 0
set tmargin 0
set bmargin 0
set key center center horizontal maxcols 3 width 1 textcolor rgb '$GREY'
set xrange [0:1]
set yrange [0:1]
END
}

# script AXIS, LABEL, FILE, RECORDS: what gnuplot makes FILE of
sub script {
    my ($axis, $x, $file, @records) = @_;

    my $text = join('', map { data($axis, $_, @records) } @JOBS);
    $text .= <<"END";
set terminal svg size 960,1060 dynamic font 'DejaVu Sans,11'
set output '$file'
set multiplot
set border 3 lc rgb '$GREY'
set tics nomirror scale 0.5 textcolor rgb '$GREY'
unset mytics
set title textcolor rgb '$GREY'
set xlabel textcolor rgb '$GREY'
set ylabel textcolor rgb '$GREY' offset 1, 0
set grid ytics lc rgb '$GREY' lw 0.3 dt 3
set logscale x 2
set logscale y 10
set format y '%.0s%c'
set lmargin 9.5
set bmargin 2.6
set tmargin 1.6
set rmargin 1
END
    # The legend is below, the jobs' names are above.
    my $height = 0.91 / @ROWS;
    for my $row (0 .. $#ROWS) {
        # Memory lies so close together that a logarithm would show nothing.
        $text .= "unset logscale y\nset yrange [0:*]\n" if $ROWS[$row]{figure} eq 'rss_kib';
        $text .= "set format y '%g'\n" if $ROWS[$row]{figure} eq 'us';
        $text .= "set format y '%.0f'\n" if $ROWS[$row]{figure} eq 'rss_kib';
        for my $column (0 .. $#JOBS) {
            $text .= sprintf("set origin %.4f, %.4f\nset size %.4f, %.4f\n", $column / @JOBS, 0.985 - ($row + 1) * $height, 1 / @JOBS, $height);
            $text .= _panel($axis, $x, $JOBS[$column], $row, @records);
        }
    }
    return $text . _legend();
}

# finished SVG, TITLE: gnuplot's, with its licence, and what it shows in place of gnuplot's name
sub finished {
    my ($svg, $title) = @_;

    $svg =~ s|<title>.*?</title>|<title>$title</title>|s or die "gnuplot has made no title\n";
    $svg =~ s|<desc>.*?</desc>\n?||s;
    $svg =~ s|(<\?xml[^>]*\?>\n?)|$1<!-- SPDX-License-Identifier: AGPL-3.0-or-later -->\n|;
    # The ground is the page's.
    $svg =~ s|[ \t]+$||mg;
    return $svg;
}

1;
