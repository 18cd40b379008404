"""The arithmetic of the bench's report: medians, ratios, targets, the three forms of it."""
import json
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import paper    # noqa: E402
import report   # noqa: E402
import rows     # noqa: E402
from targets import Target   # noqa: E402

MACHINE = {"kernel": "6.18", "cpu": "A & B", "cores": 2, "date": "2026-01-01", "commit": "c0ffee",
           "compiler": "gcc"}


@pytest.fixture
def results(tmp_path, monkeypatch):
    path = tmp_path / "results"
    path.touch()
    monkeypatch.setenv("LB_BENCH_RESULTS", str(path))
    return path


def two_subjects(ours, peer, better=rows.HIGHER, metric="rate"):
    rows.add("rings", "NAT", metric, "packets/s", ours, better)
    rows.add("rings", "NAT", metric, "packets/s", peer, better, subject="nftables")


def ready(results):
    read = report.read_rows(results)
    report.add_statistics(read)
    return {row["subject"]: row for row in read}


def test_a_row_has_the_median_and_the_extremes_of_its_samples(results):
    two_subjects([30, 10, 20], [4, 1, 2, 3])
    read = ready(results)
    assert (read["ringlb"]["median"], read["ringlb"]["min"], read["ringlb"]["max"]) == (20, 10, 30)
    assert read["nftables"]["median"] == 2.5


def test_a_ratio_is_our_median_by_the_peers(results):
    two_subjects([30, 10, 20], [10, 40, 5])
    read = ready(results)
    assert read["nftables"]["ratio"] == 2
    assert "ratio" not in read["ringlb"]


def test_samples_of_interleaved_rounds_are_joined(results):
    for sample in 1, 9, 2:
        two_subjects([sample], [2 * sample])
    read = ready(results)
    assert read["ringlb"]["samples"] == [1, 9, 2]
    assert read["nftables"]["ratio"] == 0.5


def test_those_who_are_compared_stand_together(results):
    for subject in rows.OURS, "nftables":
        for metric in "rate", "goodput":
            rows.add("rings", "NAT", metric, "packets/s", [1], subject=subject)
    assert [(row["metric"], row["subject"]) for row in report.read_rows(results)] == [
        ("rate", "ringlb"), ("rate", "nftables"), ("goodput", "ringlb"), ("goodput", "nftables")]


def test_a_peer_that_delivers_nothing_has_no_ratio(results):
    two_subjects([5], [0])
    assert "ratio" not in ready(results)["nftables"]


def test_a_skipped_peer_is_told_with_its_reason_and_compared_with_nobody(results, capsys):
    rows.add("rings", "NAT", "rate", "packets/s", [1])
    rows.skip("rings", "NAT", "rate", "testpmd", "dpdk-testpmd is not installed")
    made = report.Report(report.read_rows(results), MACHINE, [], False)
    assert "SKIP testpmd: dpdk-testpmd is not installed" in made.text()
    assert "SKIP testpmd" in capsys.readouterr().out


@pytest.mark.parametrize("ours, better, must, meant, result", [
    (120, rows.HIGHER, 0.9, 1.1, "met, as far as meant"),
    (110, rows.HIGHER, 0.9, 1.1, "met, as far as meant"),
    (100, rows.HIGHER, 0.9, 1.1, "met"),
    (90, rows.HIGHER, 0.9, 1.1, "met"),
    (89, rows.HIGHER, 0.9, 1.1, "NOT MET"),
    (111, rows.LOWER, 1.1, None, "NOT MET"),
    (110, rows.LOWER, 1.1, None, "met"),
    (210, rows.LOWER, None, 2, "short of what is meant"),
    (200, rows.LOWER, None, 2, "met, as far as meant"),
])
def test_a_ratio_is_held_against_its_target(results, ours, better, must, meant, result):
    two_subjects([ours], [100], better)
    target = Target("speed", "rings", "NAT", "rate", "nftables", must, meant)
    assert report.judge(target, list(ready(results).values())) == (ours / 100, result)


def test_a_figure_without_a_peer_is_held_against_its_target(results):
    rows.add("path", "hits", "time a packet", "ns", [50, 70, 60], rows.LOWER)
    target = Target("path", "path", "hits", "time a packet", None, 80, 40)
    assert report.judge(target, list(ready(results).values())) == (60, "met")


@pytest.mark.parametrize("against", [None, "nftables"])
def test_a_target_that_nobody_measured_is_not_met_by_silence(results, against):
    target = Target("speed", "rings", "NAT", "rate", against, 0.9, 1.1)
    assert report.judge(target, []) == (None, "not measured")
    rows.add("rings", "NAT", "rate", "packets/s", [1], subject="nftables")
    assert report.judge(target, list(ready(results).values())) == (None, "not measured")


@pytest.mark.parametrize("value, text", [
    (0, "0"), (0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"),
    (1234.5, "1,234"), (2000000, "2,000,000"),
])
def test_figures_show_the_digits_that_count(value, text):
    assert report.number(value) == text


def test_the_three_forms_say_the_same(results, tmp_path):
    for samples, subject in ([1500, 1400, 1600], rows.OURS), ([1000], "nftables"):
        rows.add(*paper.RINGS, "packets/s", samples, subject=subject)
    failed = [{"name": "rings", "seconds": 1.0, "result": "failed: 1"}]
    made = report.Report(report.read_rows(results), MACHINE, failed, True)
    made.write(tmp_path)
    text = (tmp_path / "bench.txt").read_text()
    assert "1,500" in text and "1.50 x" in text and "1,400 .. 1,600" in text
    assert "FAILED rings: failed: 1" in text and "QUICK" in text
    document = json.loads((tmp_path / "bench.json").read_text())
    assert document["machine"] == MACHINE and document["quick"]
    assert [row.get("ratio") for row in document["rows"]] == [None, 1.5]
    words = "".join(xml.parse(tmp_path / "bench.svg").getroot().itertext())
    assert "1,500" in words and "nftables" in words and "A & B" in words


@pytest.mark.parametrize("bits, mix, frames", [
    # RFC 2544's well known rates.
    (10e9, "64 bytes", 14880952), (10e9, "1518 bytes", 812743), (100e9, "64 bytes", 148809523),
    # 12 frames are 4342 bytes, and 240 between them.
    (10e9, "IMIX", 3273679),
])
def test_a_full_link_carries_so_many_frames(bits, mix, frames):
    assert int(paper.line_rate(bits, paper.MIXES[mix])) == frames


def test_larger_frames_cost_what_copying_their_bytes_takes():
    assert paper.mean_cost(100, 0.5, {64: 1}) == 100
    assert paper.mean_cost(100, 0.5, {64: 1, 164: 1}) == 125


def test_a_core_does_its_share_of_a_link_and_never_more_than_all():
    limits = {(limit.link, limit.mix): limit for limit in paper.limits(134.4, 0)}
    assert limits["10 GbE", "64 bytes"].cores == pytest.approx(2)
    assert limits["10 GbE", "64 bytes"].share == pytest.approx(0.5)
    assert limits["10 GbE", "1518 bytes"].share == 1


def test_the_paper_says_nothing_that_was_not_measured(results):
    assert "on paper" not in report.Report(report.read_rows(results), MACHINE, [], False).text()
    rows.add(*paper.PATH, "ns", [50, 60, 70], rows.LOWER)
    made = report.Report(report.read_rows(results), MACHINE, [], False)
    assert "the path alone, 1 M flows: 60.0 ns" in made.text()
    assert "packet thread" not in made.text()
    assert len(made.document()["line_rate_on_paper"]) == 9


def test_the_cost_of_a_packet_through_rings_is_that_of_the_rate(results):
    rows.add(*paper.RINGS, "packets/s", [1e6])
    rows.add(*paper.COPY, "ns", [10], rows.LOWER)
    rows.add(*paper.COPY_LARGE, "ns", [155.4], rows.LOWER)
    read = report.read_rows(results)
    report.add_statistics(read)
    assert list(paper.bases(read)) == [
        ("the whole packet thread, kernel's transmit included", 1000,
         pytest.approx(paper.COPIES * 0.1))]
