"""How the bench reads what callgrind counted, and holds it against the baseline."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import baseline   # noqa: E402
from harness import by_line, total   # noqa: E402

# "Callgrind Format Specification" in valgrind's manual: names told once, positions by difference,
# what a callee cost after its call.
DUMP = """\
version: 1
positions: line
events: Ir DLmr

fl=(1) path.c
fn=(1) receive
10 100 2
+2 50
fi=(2) flow.h
7 30 1
fe=(1)
* 5
cfi=(3) rewrite.c
cfn=(2) rewrite
calls=1 40
-3 1000 9
+1 15

fl=(3)
fn=(2)
40 900 8
41 100 1
totals: 1200 12
"""


def test_costs_are_those_of_each_line_without_what_it_calls():
    assert by_line(DUMP) == {
        ("path.c", 10): {"Ir": 100, "DLmr": 2},
        ("path.c", 12): {"Ir": 50},
        ("flow.h", 7): {"Ir": 30, "DLmr": 1},
        ("path.c", 7): {"Ir": 5},
        ("path.c", 5): {"Ir": 15},
        ("rewrite.c", 40): {"Ir": 900, "DLmr": 8},
        ("rewrite.c", 41): {"Ir": 100, "DLmr": 1},
    }


def test_the_lines_add_up_to_the_whole():
    assert total(by_line(DUMP), "Ir") == 1200
    assert total(by_line(DUMP), "DLmr") == 12


@pytest.mark.parametrize("count, worse, better", [
    (100, 0, 0), (102, 0, 0), (102.1, 1, 0), (98, 0, 0), (97.9, 0, 1),
])
def test_a_count_may_differ_from_the_baseline_by_two_percent(count, worse, better):
    more, less = baseline.compare({"hits": count}, {"hits": 100})
    assert (len(more), len(less)) == (worse, better)


def test_a_case_without_a_baseline_is_told():
    more, _ = baseline.compare({"new": 1}, {"old": 1})
    assert more == ["no baseline for: new"]


def test_a_baseline_is_read_as_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(baseline, "BASELINE", tmp_path / "instructions.txt")
    counts = {"NAT, hits both ways, 1 k flows": 612.5, "1,000 routes": 700.0}
    baseline.write(counts, "GCC: (Debian) 12")
    assert baseline.read() == (counts, "GCC: (Debian) 12")
