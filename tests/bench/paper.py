"""Line rate on paper: what the measured nanoseconds a packet would do on links that are not here.

The arithmetic is tests/bench/README.md's. A core that spends c ns on a packet passes 10^9 / c of
them a second; a link of b bits/s carries b / (8 * (frame + 20)) frames of so many bytes a second,
because preamble, start delimiter and the gap between frames take 20 more (IEEE 802.3). Frames are
counted with their check sequence.
"""
from typing import NamedTuple

LINKS = {"10 GbE": 10e9, "25 GbE": 25e9, "100 GbE": 100e9}
BETWEEN_FRAMES = 20   # bytes: preamble 7, start delimiter 1, gap 12
# Bytes of a frame, and how often; simple IMIX is 7 : 4 : 1 (IP packets of 40, 576 and 1500 bytes).
MIXES = {"64 bytes": {64: 1}, "IMIX": {64: 7, 594: 4, 1518: 1}, "1518 bytes": {1518: 1}}

# Rows that the costs are taken from: part, case, metric.
PATH = ("path", "NAT, hits both ways, 1 M flows", "time a packet")
COPY = ("path", "one copy of a frame's bytes: 60", "time a packet")
COPY_LARGE = ("path", "one copy of a frame's bytes: 1514", "time a packet")
RINGS = ("rings", "NAT, 60 bytes, 1 k flows", "loss-free rate")
COPIES = 2            # on the packet thread's core: receive ring to transmit ring, that to a buffer


class Limit(NamedTuple):
    """What one core would do of one link's full rate."""
    link: str
    mix: str
    line_rate: float     # frames/s
    cost_ns: float       # a frame, on average
    cores: float         # that the line rate takes
    share: float         # of the line rate that one core does, at most 1


def line_rate(bits, mix):
    """Frames a second of a full link."""
    wire = sum(count * (size + BETWEEN_FRAMES) for size, count in mix.items())
    return bits / 8 / (wire / sum(mix.values()))


def mean_cost(base_ns, per_byte_ns, mix):
    """`base_ns` is what a frame of 64 bytes costs."""
    frames = sum(mix.values())
    return sum(count * (base_ns + (size - 64) * per_byte_ns)
               for size, count in mix.items()) / frames


def limits(base_ns, per_byte_ns):
    for link, bits in LINKS.items():
        for name, mix in MIXES.items():
            rate, cost = line_rate(bits, mix), mean_cost(base_ns, per_byte_ns, mix)
            cores = rate * cost / 1e9
            yield Limit(link, name, rate, cost, cores, min(1, 1 / cores))


def _median(rows, key):
    for row in rows:
        if row["samples"] and row["subject"] == "ringlb" and \
                (row["part"], row["case"], row["metric"]) == key:
            return row["median"]
    return None


def copy_ns_per_byte(rows):
    """Of one copy: what 1514 bytes take more than 60; None where that was not measured."""
    small, large = _median(rows, COPY), _median(rows, COPY_LARGE)
    if small is None or large is None:
        return None
    return (large - small) / (1514 - 60)


def bases(rows):
    """What is known of the cost of a frame of 64 bytes: (whose, ns, ns a byte more)."""
    path, rate, copy = _median(rows, PATH), _median(rows, RINGS), copy_ns_per_byte(rows)
    if path:   # it looks at headers, and copies nothing
        yield "the path alone, 1 M flows", path, 0.0
    if rate and copy is not None:
        yield "the whole packet thread, kernel's transmit included", 1e9 / rate, COPIES * copy
