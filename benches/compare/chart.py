"""The plot of ingest: events per second by events per request, on logarithmic axes, with the spread of the rounds."""

from html import escape
from math import ceil, floor, log10
from statistics import median

from systems import ROWS

WIDTH, HEIGHT = 960, 520
LEFT, RIGHT, TOP, BOTTOM = 80, 300, 40, 60
# The colour shows the system. A dashed line shows full replies.
COLOURS = {
    "ceiling": "#777777",
    "weir-fixed": "#0b5fa5",
    "weir": "#2a9d8f",
    "node": "#d17a00",
    "redis": "#c0392b",
    "clickhouse": "#8e44ad",
}


def draw(results):
    """Returns the SVG document."""
    rates = [rate for rounds in results.rates.values() for rate in rounds.values()]
    low, high = floor(log10(min(rates, default=1))), ceil(log10(max(rates, default=10)))

    def x(batch):
        return LEFT + (WIDTH - LEFT - RIGHT) * log10(batch) / log10(results.batches[-1])

    def y(rate):
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - log10(rate)) / (high - low)

    shapes = [*axes(results.batches, x, y, low, high)]
    for index, row in enumerate(row for row in ROWS if any((row, batch) in results.rates for batch in results.batches)):
        shapes += series(results, row, x, y)
        shapes += legend(row, TOP + 12 + 24 * index)
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def text(x, y, content, anchor="middle", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{escape(content)}</text>'


def line(x1, y1, x2, y2, style):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def axes(batches, x, y, low, high):
    grid = 'stroke="#dddddd"'
    for power in range(low, high + 1):
        yield line(LEFT, y(10**power), WIDTH - RIGHT, y(10**power), grid)
        yield text(LEFT - 8, y(10**power) + 4, f"{10**power:,}", "end")
    for batch in batches:
        yield line(x(batch), TOP, x(batch), HEIGHT - BOTTOM, grid)
        yield text(x(batch), HEIGHT - BOTTOM + 20, f"{batch:,}")
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 15, "events per request")
    yield text(LEFT - 60, TOP - 18, "events per second: median, minimum and maximum of the rounds", "start")


def stroke(row):
    dashes = "" if row.minimal else ' stroke-dasharray="6 4"'
    return f'stroke="{COLOURS[row.system]}" stroke-width="2"{dashes}'


def series(results, row, x, y):
    points = [(batch, list(results.rates[row, batch].values())) for batch in results.batches if (row, batch) in results.rates]
    path = " ".join(f"{x(batch):.1f},{y(median(rates)):.1f}" for batch, rates in points)
    yield f'<polyline points="{path}" fill="none" {stroke(row)}/>'
    for batch, rates in points:
        yield line(x(batch), y(min(rates)), x(batch), y(max(rates)), f'stroke="{COLOURS[row.system]}"')
        yield f'<circle cx="{x(batch):.1f}" cy="{y(median(rates)):.1f}" r="3" fill="{COLOURS[row.system]}"/>'


def legend(row, y):
    left = WIDTH - RIGHT + 20
    yield line(left, y - 4, left + 30, y - 4, stroke(row))
    yield text(left + 38, y, row.name, "start")
