"""From the rows of a bench run (rows.py) to one table, a JSON document and a chart.

Every figure is the median of its samples, beside the smallest and the largest one. A ratio is that
of two medians: ringlb's by the other's, whichever way is better. Nothing is measured here.
"""
import json
import os
import platform
import statistics
import subprocess
from pathlib import Path

import chart
import paper
from rows import LOWER, OURS
from targets import TARGETS

ROOT = Path(__file__).resolve().parent.parent.parent


def number(value):
    """Three digits that count; whole numbers from a thousand on."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def read_rows(path):
    """Samples of rows that agree in part, case, metric and subject are joined; who is compared with
    each other stands together."""
    joined = {}
    for line in Path(path).read_text().splitlines():
        row = json.loads(line)
        row.setdefault("samples", [])
        key = row["part"], row["case"], row["metric"], row["subject"]
        if key in joined:
            joined[key]["samples"] += row.pop("samples")
            joined[key].update(row)
        else:
            joined[key] = row
    groups = {}
    for (part, case, metric, _), row in joined.items():
        groups.setdefault((part, case, metric), []).append(row)
    return [row for group in groups.values() for row in group]


def add_statistics(rows):
    """Gives every row with samples its median, min, max and, beside ringlb, ratio."""
    for row in rows:
        if row["samples"]:
            row.update(median=statistics.median(row["samples"]), min=min(row["samples"]),
                       max=max(row["samples"]))
    ours = {(row["part"], row["case"], row["metric"]): row["median"]
            for row in rows if row["subject"] == OURS and row["samples"]}
    for row in rows:
        own = ours.get((row["part"], row["case"], row["metric"]))
        if row["subject"] != OURS and row["samples"] and row["median"] and own is not None:
            row["ratio"] = own / row["median"]


def judge(target, rows):
    """The figure or ratio of a target, and what to say of it."""
    fitting = {row["subject"]: row for row in rows if row["samples"] and
               (row["part"], row["case"], row["metric"]) ==
               (target.part, target.case, target.metric)}
    ours, peer = fitting.get(OURS), fitting.get(target.against)
    value = peer.get("ratio") if target.against and peer else ours and ours["median"]
    if not ours or (target.against and not peer) or value is None:
        return None, "not measured"
    reached = (lambda limit: value <= limit) if ours["better"] == LOWER else (
        lambda limit: value >= limit)
    if target.meant is not None and reached(target.meant):
        return value, "met, as far as meant"
    if target.must is not None:
        return value, "met" if reached(target.must) else "NOT MET"
    return value, "short of what is meant"


def machine_facts(build):
    def said(*command):
        try:
            return subprocess.run(command, cwd=ROOT, capture_output=True, text=True,
                                  check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return "unknown"

    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().split(
        "\n") if line.startswith("model name")]
    # The compiler left its name in what it compiled.
    compiler = said("readelf", "-p", ".comment", str(ROOT / build / "lbd"))
    compilers = [line.partition("]")[2].strip() for line in compiler.splitlines() if "]" in line]
    changed = said("git", "status", "--porcelain", "--untracked-files=no")
    return {
        "kernel": platform.release(),
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "date": said("date", "-u", "+%Y-%m-%d %H:%M UTC"),
        "commit": said("git", "rev-parse", "--short=12", "HEAD") +
                  (" and changes" if changed else ""),
        "compiler": ", ".join(compilers) or "unknown",
    }


def _columns(lines):
    """Rows of cells to text: the first two columns to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines)]
    return [("  " + "  ".join(cell.ljust(width) if at < 2 else cell.rjust(width)
                              for at, (cell, width) in enumerate(zip(line, widths)))).rstrip()
            for line in lines]


class Report:
    def __init__(self, rows, machine, parts, quick):
        add_statistics(rows)
        self.rows, self.machine, self.parts, self.quick = rows, machine, parts, quick
        self.targets = [(target, *judge(target, rows)) for target in TARGETS]

    def _part_lines(self, part):
        before = None
        lines = [("case", "metric", "subject", "median", "unit", "min .. max", "n", "ringlb is")]
        notes = []
        for row in self.rows:
            if row["part"] != part:
                continue
            named = row["case"], row["metric"]
            named, before = ("", "") if named == before else named, named
            if not row["samples"]:
                lines.append((*named, row["subject"], "SKIP", "", "", "", ""))
                notes.append(f"  SKIP {row['subject']}: {row['skip']}")
                continue
            spread = f"{number(row['min'])} .. {number(row['max'])}"
            ratio = f"{row['ratio']:.2f} x" if "ratio" in row else ""
            count = len(row["samples"])
            lines.append((*named, row["subject"], number(row["median"]), row["unit"],
                          spread if count > 1 else "", str(count), ratio))
            if row.get("note"):
                notes.append(f"  {row['case']}: {row['note']}")
        return _columns(lines) + list(dict.fromkeys(notes))

    def _target_lines(self):
        lines = [("target", "", "measured", "must", "meant")]
        for target, value, result in self.targets:
            unit = " x" if target.against else ""
            cells = [number(limit) + unit if limit is not None else "-"
                     for limit in (value, target.must, target.meant)]
            lines.append((target.what, result, *cells))
        return _columns(lines)

    def _paper_lines(self):
        lines = []
        for whose, base_ns, byte_ns in paper.bases(self.rows):
            table = [("link", "frames", "line rate /s", "ns a frame", "one core", "cores")]
            for limit in paper.limits(base_ns, byte_ns):
                table.append((limit.link, limit.mix, number(limit.line_rate),
                              number(limit.cost_ns), f"{100 * limit.share:.0f} %",
                              f"{limit.cores:.2f}"))
            lines += [f"  {whose}: {number(base_ns)} ns and {byte_ns:.3f} ns a byte over 64",
                      *_columns(table)]
        return lines

    def text(self):
        machine = self.machine
        lines = [f"ringlb {machine['commit']}, {machine['date']}" +
                 (", QUICK: few and short samples" if self.quick else ""),
                 f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, "
                 f"{machine['compiler']}"]
        for part in dict.fromkeys(row["part"] for row in self.rows):
            lines += ["", part, *self._part_lines(part)]
        on_paper = self._paper_lines()
        if on_paper:
            lines += ["", "line rate on paper: nobody has measured this (tests/bench/README.md)",
                      *on_paper]
        lines += ["", "targets", *self._target_lines()]
        failed = [part for part in self.parts if part["result"] != "ok"]
        lines += [f"FAILED {part['name']}: {part['result']}" for part in failed]
        return "\n".join(lines) + "\n"

    def document(self):
        return {
            "machine": self.machine,
            "quick": self.quick,
            "parts": self.parts,
            "rows": self.rows,
            "line_rate_on_paper": [
                dict(limit._asdict(), cost_of=whose)
                for whose, *costs in paper.bases(self.rows) for limit in paper.limits(*costs)],
            "targets": [dict(target._asdict(), measured=value, result=result)
                        for target, value, result in self.targets],
        }

    def write(self, directory):
        directory = Path(directory)
        (directory / "bench.txt").write_text(self.text())
        (directory / "bench.json").write_text(json.dumps(self.document(), indent=1) + "\n")
        (directory / "bench.svg").write_text(chart.draw(self.rows, self.machine, number, self.quick))
