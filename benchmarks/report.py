#!/usr/bin/env python3
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Compares what benchmarks have measured with the bars in bars.txt. Fails if more
# is copied or allocated than those allow. Times depend on the machine, so they
# are only told.
#
#   benchmarks/report.py [--doc FILE] RESULT...
#
# RESULT is what a benchmark has written with --benchmark_out. Prints a line for
# each figure: whether its bar is met, the figure and its bar. With --doc it also
# replaces the tables between the marks in FILE, and writes a picture of the
# ratios beside it, performance.svg. benchmarks/report.sh measures first.

import argparse
import html
import json
import math
import pathlib
import re
import statistics
import sys

BARS = pathlib.Path(__file__).with_name('bars.txt')
COUNTERS = {'allocs', 'copied'}
BEGIN, END = '<!-- begin of the tables -->', '<!-- end of the tables -->'


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
            for counter in COUNTERS & run.keys():
                times.setdefault((run['run_name'], counter), []).append(
                    run[counter])
    return times, context


class Figure:
    """One line of bars.txt, with what was measured."""

    def __init__(self, line, times):
        fields = [field.strip() for field in line.split('|')]
        if len(fields) != 5:
            sys.exit(f'{BARS}: not five fields: {line}')
        self.what, self.name, self.bar, limits, self.limit_name = fields
        needed = [self.name] + limits.split()
        self.is_known = all(name in times for name in needed)
        if not self.is_known:
            return
        own = times[self.name]
        limit = min(limits.split(), default=None,
                    key=lambda name: statistics.median(times[name]))
        self.ns = statistics.median(own)
        self.limit_ns = self.ratio = None
        if limit:
            self.limit_ns = statistics.median(times[limit])
            self.ratio = self.ns / self.limit_ns
            # Repetitions are interleaved, so those of a number belong together.
            ratios = sorted(a / b for a, b in zip(own, times[limit]))
            rest = len(ratios) // 4
            self.low, self.high = ratios[rest], ratios[-1 - rest]
        self.met = None
        self.counted = None
        if self.bar:
            match = re.fullmatch(r'<= ([0-9.]+) (ns|x|allocs|copied)', self.bar)
            if match is None or (match[2] == 'x' and not limit):
                sys.exit(f'{BARS}: not a bar: {self.bar}')
            if match[2] == 'ns':
                value = self.ns
            elif match[2] == 'x':
                value = round(self.ratio, 2)
            else:
                # A run begins with blocks that are not one iteration's.
                value = statistics.median(times[self.name, match[2]])
                value = math.floor(value) if value % 1 < 0.1 else round(value, 1)
                self.counted = f'{value:,} {match[2]}'
            self.met = value <= float(match[1])

    def ratio_text(self):
        if self.ratio is None:
            return ''
        return f'{self.ratio:.2f} x ({self.low:.2f} to {self.high:.2f})'

    def value_text(self):
        return self.counted or f'{ns_text(self.ns)} ns'

    def met_text(self):
        return {None: '', True: 'met', False: 'not met'}[self.met]


def read_bars(times):
    """Returns [(title of a table, its figures)]."""
    tables = []
    for line in BARS.read_text().splitlines():
        if not line or line.startswith('#'):
            continue
        if '|' not in line:
            tables.append((line, []))
        else:
            tables[-1][1].append(Figure(line, times))
    return tables


def ns_text(ns):
    return f'{ns:,.0f}' if ns >= 100 else f'{ns:.3g}'


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
    return any(not f.is_known or (f.counted and not f.met)
               for _, figures in tables for f in figures)


def markdown(tables, context):
    lines = [BEGIN, '',
             f'Measured on {context["num_cpus"]} cores of '
             f'{context["mhz_per_cpu"]} MHz. The last column has the median '
             'of the ratios to the limit, and the', 'middle half of them.']
    for title, figures in tables:
        lines += ['', f'### {title}', '',
                  '| | is | bar | | limit | ns | ratio |',
                  '|---|---|---|---|---|---|---|']
        for figure in figures:
            if not figure.is_known:
                lines.append(f'| {figure.what} | not measured | | | | | |')
                continue
            limit_ns = ns_text(figure.limit_ns) if figure.limit_ns else ''
            lines.append(
                f'| {figure.what} | {figure.value_text()} | {figure.bar} | '
                f'{figure.met_text()} | {figure.limit_name} | {limit_ns} | '
                f'{figure.ratio_text()} |')
    return '\n'.join(lines + ['', END])


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
                f'y="{y}">{figure.ratio:.2f} x</text>')
    y += 22
    for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50):
        if low <= tick <= high:
            body.insert(0, f'<path class="{"one" if tick == 1 else "grid"}" '
                        f'd="M{x(tick):.1f} 16V{y - 12}"/>'
                        f'<text x="{x(tick):.1f}" y="{y}" '
                        f'text-anchor="middle">{tick:g} x</text>')
    return f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 90} {y + 12}" font-family="sans-serif" font-size="12">
<title>Time beside the limit; a bar to the left is faster</title>
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
    parser.add_argument('results', nargs='+')
    arguments = parser.parse_args()
    times, context = read_results(arguments.results)
    tables = read_bars(times)
    print_figures(tables)
    if arguments.doc is not None:
        text = arguments.doc.read_text()
        begin, end = text.index(BEGIN), text.index(END) + len(END)
        arguments.doc.write_text(
            text[:begin] + markdown(tables, context) + text[end:])
        arguments.doc.with_suffix('.svg').write_text(picture(tables))
    if count_fails(tables):
        sys.exit('a bar of copies or blocks is not met, or was not measured')


main()
