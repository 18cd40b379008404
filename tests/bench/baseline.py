"""The committed baseline of instructions a packet: tests/bench/instructions.txt."""
import subprocess
from pathlib import Path

BASELINE = Path(__file__).resolve().parent / "instructions.txt"
TOLERANCE = 0.02   # what another version of the C library may change
HEAD = """\
# Instructions a packet of the path alone (tests/bench/parts/instructions), case by case.
# `make bench` fails where one grows by more than 2 %; `make bench PART=instructions UPDATE=1` renews
# this file.
"""


def compiler_of(program):
    """What the compiler wrote into a program about itself."""
    said = subprocess.run(["readelf", "-p", ".comment", str(program)], capture_output=True,
                          text=True, check=True).stdout
    return ", ".join(sorted(line.partition("]")[2].strip() for line in said.splitlines()
                            if "]" in line))


def write(counts, compiler):
    lines = [f"{count:8.1f}  {name}\n" for name, count in counts.items()]
    BASELINE.write_text(HEAD + f"compiler: {compiler}\n" + "".join(lines))


def read():
    """Counts by case, and the compiler that they are of."""
    counts, compiler = {}, None
    for line in BASELINE.read_text().splitlines():
        if line.startswith("compiler: "):
            compiler = line.removeprefix("compiler: ")
        elif line and not line.startswith("#"):
            count, name = line.split(None, 1)
            counts[name] = float(count)
    return counts, compiler


def compare(counts, before):
    """Sentences about what costs more than it did, and about what costs less."""
    worse, better = [], []
    for name, count in counts.items():
        if name not in before:
            worse.append(f"no baseline for: {name}")
        elif count > before[name] * (1 + TOLERANCE):
            worse.append(f"MORE INSTRUCTIONS: {name}: {count:.0f}, were {before[name]:.0f}")
        elif count < before[name] * (1 - TOLERANCE):
            better.append(f"fewer instructions, renew the baseline: {name}: {count:.0f}, were "
                          f"{before[name]:.0f}")
    return worse, better
