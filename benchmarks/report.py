#!/usr/bin/env python3
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Compares what benchmarks have measured with bars. Fails if more is copied or
# allocated than those allow, or if something was not measured. Times and memory
# depend on the machine, so they are only told.
#
#   benchmarks/report.py [--doc FILE --picture FILE] BARS RESULT...
#   benchmarks/report.py --filter BARS
#
# BARS is a bars.txt, which says what its lines mean. RESULT is what a benchmark
# has written with --benchmark_out. Prints a line for each figure: whether its
# bar is met, the figure and its bar. With --doc it also replaces the tables
# between the marks in that file, and draws the ratios in the picture. With
# --filter it only prints the --benchmark_filter of what BARS has.
# benchmarks/report.sh measures first.

import argparse
import html
import json
import math
import pathlib
import re
import statistics
import sys

# The counters that do not depend on the machine, and those that do.
JUDGED = {'allocs', 'copied'}
TOLD = {'kB', 'descriptors', 'p99_us', 'cpu_ns', 'held_bytes', 'held_blocks'}
BAR = re.compile(r'(?:<= ([0-9.]+) )?(ns|x|%s)' % '|'.join(JUDGED | TOLD))


def read_results(files):
    """Returns the times in ns by benchmark, the values by (benchmark, counter),
    one for each repetition, and what the results say of the machine."""
    times = {}
    context = {}
    for file in files:
        result = json.loads(pathlib.Path(file).read_text())
        context = result['context']
        for run in result['benchmarks']:
            if run['run_type'] != 'iteration':
                continue
            if run.get('error_occurred'):
                sys.exit(f'{run["name"]}: {run["error_message"]}')
            unit = {'ns': 1, 'us': 1e3, 'ms': 1e6, 's': 1e9}[run['time_unit']]
            # Two threads, or one and the kernel, have no CPU time in common.
            clock = 'real' if '/real_time' in run['name'] else 'cpu'
            times.setdefault(run['run_name'], []).append(
                run[f'{clock}_time'] * unit)
            for counter in (JUDGED | TOLD) & run.keys():
                times.setdefault((run['run_name'], counter), []).append(
                    run[counter])
    return times, context


class Figure:
    """One line of bars, with what was measured."""

    def __init__(self, line, times):
        fields = [field.strip() for field in line.split('|')]
        if len(fields) != 5:
            sys.exit(f'not five fields: {line}')
        self.what, own, self.bar, limits, self.limit_name = fields
        self.names = [own] + limits.split()
        match = BAR.fullmatch(self.bar or 'ns')
        if match is None or (match[2] == 'x' and not limits):
            sys.exit(f'not a bar: {line}')
        if match[1] is None:
            self.bar = ''
        self.unit = 'ns' if match[2] == 'x' else match[2]
        keys = [name if self.unit == 'ns' else (name, self.unit)
                for name in self.names]
        self.is_known = all(key in times for key in keys)
        self.met = self.limit = self.ratio = None
        if not self.is_known:
            return
        own, *limits = [times[key] for key in keys]
        self.value = statistics.median(own)
        if limits:
            limit = min(limits, key=statistics.median)
            self.limit = statistics.median(limit)
            # Repetitions are interleaved, so those of a number belong together.
            ratios = sorted(a / b for a, b in zip(own, limit))
            self.ratio = statistics.median(ratios)
            rest = len(ratios) // 4
            self.low, self.high = ratios[rest], ratios[-1 - rest]
        if (self.unit in JUDGED | {'held_blocks'}) and self.value % 1 < 0.1:
            # A run begins with blocks that are not one iteration's, and some
            # blocks are for many connections.
            self.value = math.floor(self.value)
        if self.bar:
            value = round(self.ratio, 2) if match[2] == 'x' else self.value
            self.met = value <= float(match[1])

    def ratio_text(self):
        if self.ratio is None:
            return ''
        return f'{self.ratio:.2f} x ({self.low:.2f} to {self.high:.2f})'

    def value_text(self):
        return f'{number_text(self.value)} {self.unit}'

    def limit_text(self):
        return '' if self.limit is None else number_text(self.limit)

    def met_text(self):
        return {None: '', True: 'met', False: 'not met'}[self.met]


def read_bars(bars, times):
    """Returns [(title of a table, its figures)]."""
    tables = []
    for line in bars.read_text().splitlines():
        if not line or line.startswith('#'):
            continue
        if '|' not in line:
            tables.append((line, []))
        else:
            tables[-1][1].append(Figure(line, times))
    return tables


def number_text(number):
    return f'{number:,.0f}' if number >= 100 else f'{number:.3g}'


def print_figures(tables):
    counts = {True: 0, False: 0}
    for title, figures in tables:
        print(title)
        for figure in figures:
            if not figure.is_known:
                print(f'  not measured       {figure.what}')
                continue
            if figure.met is not None:
                counts[figure.met] += 1
            print(f'  {figure.met_text():8} {figure.value_text():>13} '
                  f'{figure.bar:>15}  {figure.what}'
                  + (f': {figure.ratio_text()} of {figure.limit_name}'
                     if figure.ratio else ''))
    print(f'{counts[True]} bars met, {counts[False]} not met')


def count_fails(tables):
    """Returns whether a bar of copies or blocks is not met, or not measured."""
    return any(not f.is_known or (f.unit in JUDGED and f.met is False)
               for _, figures in tables for f in figures)


def markdown(tables, context):
    lines = ['',
             f'Measured on {context["num_cpus"]} cores of '
             f'{context["mhz_per_cpu"]} MHz. The last column has the median '
             'of the ratios to what is beside it, and', 'the middle half of them.']
    for title, figures in tables:
        lines += ['', f'### {title}', '',
                  '| | flow | bar | | beside | is | ratio |',
                  '|---|---|---|---|---|---|---|']
        for figure in figures:
            if not figure.is_known:
                lines.append(f'| {figure.what} | not measured | | | | | |')
                continue
            lines.append(
                f'| {figure.what} | {figure.value_text()} | {figure.bar} | '
                f'{figure.met_text()} | {figure.limit_name} | '
                f'{figure.limit_text()} | {figure.ratio_text()} |')
    return '\n'.join(lines + ['', ''])


def picture(tables):
    """Returns an SVG with a bar for each ratio, on a logarithmic scale."""
    rows = [(title, [f for f in figures if f.is_known and f.ratio])
            for title, figures in tables]
    rows = [(title, figures) for title, figures in rows if figures]
    left, width, height = 330, 420, 18
    ratios = [f.high for _, figures in rows for f in figures]
    ratios += [f.low for _, figures in rows for f in figures]
    low, high = min(ratios + [0.5]), max(ratios + [2])
    scale = width / math.log(high / low)

    def x(ratio):
        return left + math.log(ratio / low) * scale

    body = []
    y = 10
    for title, figures in rows:
        y += 24
        body.append(f'<text class="title" x="10" y="{y}">'
                    f'{html.escape(title)}</text>')
        for figure in figures:
            y += height
            side = {True: 'met', False: 'missed', None: 'told'}[figure.met]
            begin, end = sorted((x(1), x(figure.ratio)))
            body.append(
                f'<text x="{left - 8}" y="{y}" text-anchor="end">'
                f'{html.escape(figure.what)}</text>'
                f'<rect class="{side}" x="{begin:.1f}" y="{y - 11}" '
                f'width="{max(end - begin, 1):.1f}" height="13"/>'
                f'<path class="line" d="M{x(figure.low):.1f} {y - 4.5}'
                f'H{x(figure.high):.1f}"/>'
                f'<text x="{max(x(figure.ratio), x(figure.high), x(1)) + 6:.1f}" '
                f'y="{y}">{figure.ratio:.2f} x of '
                f'{html.escape(figure.limit_name)}</text>')
    y += 22
    for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50):
        if low <= tick <= high:
            body.insert(0, f'<path class="{"one" if tick == 1 else "grid"}" '
                        f'd="M{x(tick):.1f} 16V{y - 12}"/>'
                        f'<text x="{x(tick):.1f}" y="{y}" '
                        f'text-anchor="middle">{tick:g} x</text>')
    return f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 290} {y + 12}" font-family="sans-serif" font-size="12">
<title>Ours beside the limit or a peer; a bar to the left is better</title>
<style>
svg {{ background: #ffffff; fill: #24292f; }}
.title {{ font-weight: bold; }}
.met {{ fill: #2da44e; }} .missed {{ fill: #d1741f; }} .told {{ fill: #8c959f; }}
.line {{ stroke: #24292f; }} .one {{ stroke: #57606a; }} .grid {{ stroke: #d0d7de; }}
@media (prefers-color-scheme: dark) {{
svg {{ background: #0d1117; fill: #e6edf3; }}
.line {{ stroke: #e6edf3; }} .one {{ stroke: #8b949e; }} .grid {{ stroke: #30363d; }}
}}
</style>
{chr(10).join(body)}
</svg>
'''


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument('--doc', type=pathlib.Path)
    parser.add_argument('--picture', type=pathlib.Path)
    parser.add_argument('--filter', action='store_true')
    parser.add_argument('bars', type=pathlib.Path)
    parser.add_argument('results', nargs='*')
    arguments = parser.parse_args()
    if arguments.filter:
        names = {name for _, figures in read_bars(arguments.bars, {})
                 for figure in figures for name in figure.names}
        print(f'^({"|".join(sorted(names))})$')
        return
    times, context = read_results(arguments.results)
    tables = read_bars(arguments.bars, times)
    print_figures(tables)
    if arguments.doc is not None:
        text = arguments.doc.read_text()
        begin = f'<!-- begin of {arguments.bars} -->\n'
        end = f'<!-- end of {arguments.bars} -->'
        head, rest = text.split(begin)
        arguments.doc.write_text(
            head + begin + markdown(tables, context) + end
            + rest.split(end)[1])
    if arguments.picture is not None:
        arguments.picture.write_text(picture(tables))
    if count_fails(tables):
        sys.exit('a bar of copies or blocks is not met, or was not measured')


main()
