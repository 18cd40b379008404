"""Rows of the bench's results: what a part measured, one JSON object a line.

    {"part": "rings", "case": "NAT, 1 k flows", "subject": "ringlb", "metric": "loss-free rate",
     "unit": "packets/s", "samples": [...], "better": "higher", "note": "..."}

`part` is a heading of the report. Rows that agree in part, case and metric stand beside each other,
and ringlb's median is compared with that of every other subject. `samples` are the repeated
measurements, in the order in which they were made; `better` is "higher" or "lower". A subject that
cannot be measured has "skip", the reason, instead of samples.
"""
import json
import os
import sys

OURS = "ringlb"
HIGHER, LOWER = "higher", "lower"


def quick():
    return bool(os.environ.get("LB_BENCH_QUICK"))


def update():
    return bool(os.environ.get("LB_BENCH_UPDATE"))


def progress(text):
    print(f"  {text}", flush=True)


def _tell_failure(kind, value, trace):
    """A part that is interrupted says nothing: scripts/bench does."""
    if kind is not KeyboardInterrupt:
        sys.__excepthook__(kind, value, trace)


sys.excepthook = _tell_failure


def _append(row):
    with open(os.environ["LB_BENCH_RESULTS"], "a") as results:
        results.write(json.dumps(row) + "\n")


def add(part, case, metric, unit, samples, better=HIGHER, subject=OURS, note=None):
    row = {"part": part, "case": case, "subject": subject, "metric": metric, "unit": unit,
           "samples": list(samples), "better": better}
    if note:
        row["note"] = note
    _append(row)


def skip(part, case, metric, subject, reason):
    """A peer that is not there, or cannot do this; told in the report, never a failure."""
    progress(f"SKIP {subject}: {reason}")
    _append({"part": part, "case": case, "subject": subject, "metric": metric, "skip": reason})
