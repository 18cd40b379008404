"""What an operator watches while real traffic goes through: monitor, capture, trace."""
import json
import re
import signal
import subprocess

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

from lab import BACKENDS, BUILD, EXT_MAC, VIP, wait_until


def documents(appliance, command, traffic):
    """What `lb -j -c COMMAND` says while `traffic` runs."""
    lb = subprocess.Popen([BUILD / "lb", "--socket", appliance.socket, "-j", "-c", command],
                          stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    traffic()
    output, _ = lb.communicate(timeout=30)
    assert lb.returncode == 0
    return [json.loads(line)["monitor"] for line in output.splitlines()]


def requests(lab, count):
    curl = lab.run("client", "curl", "-sS", "--max-time", "10", f"http://{VIP}/?[1-{count}]",
                   timeout=60)
    assert len(curl.stdout.split()) == count


def total(documents, rows, key):
    """What the rates come to over the time that they are of."""
    return sum(row[key] * document["appliance"]["interval"] / 1e9
               for document in documents for row in rows(document))


def test_the_rates_of_a_monitor_add_up_to_what_went_through(balanced_web, lab):
    before = balanced_web.show("stats")["total"]
    looks = documents(balanced_web, "monitor interval 500ms count 8",
                      lambda: requests(lab, 400))
    after = balanced_web.show("stats")["total"]

    def whole(document):
        return [document["appliance"]]

    def near(value):   # each of eight rates is rounded, and checks go on behind the last look
        return value - 60 <= rate <= value + 60

    rate = total(looks, whole, "received_per_second")
    assert near(after["received"] - before["received"]), (rate, before, after)
    rate = total(looks, whole, "sent_bytes_per_second") / 100
    assert near((after["sent_bytes"] - before["sent_bytes"]) / 100)
    for key in ("service", "backend"):
        rate = total(looks, lambda document: document[key], "flows_per_second")
        assert near(400)
    assert {row["address"].split(":")[0] for row in looks[-1]["backend"]} == set(BACKENDS.values())


def test_the_path_says_how_busy_it_is(balanced_web, lab):
    looks = documents(balanced_web, "monitor interval 500ms count 4",
                      lambda: requests(lab, 1500))
    busy = [look["appliance"]["path_busy_percent"] for look in looks]
    assert max(busy) >= 1 and all(0 <= percent <= 100 for percent in busy)
    assert 0 <= balanced_web.show("status")["path_busy_percent"] <= 100


def verdicts(file):
    """(number, interface, verdict, backend, interface out)"""
    lines = (file.parent / f"{file.name}.verdicts").read_text().splitlines()
    return [line.split() for line in lines]


class Capture:
    """`capture` at a console of its own."""

    def __init__(self, appliance, file, arguments=""):
        self.file = file
        self.process = subprocess.Popen(
            [BUILD / "lb", "--socket", appliance.socket, "-c", f"capture {file} {arguments}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: file.exists() and file.stat().st_size >= 24, 10, "the capture runs")

    def end(self, number=None, status=0):
        if number:
            self.process.send_signal(number)
        output, error = self.process.communicate(timeout=20)
        assert self.process.returncode == status, output + error
        return output + error

    def packets(self):
        return rdpcap(str(self.file))


def test_a_capture_has_every_frame_with_its_verdict(balanced_web, lab, client, tmp_path):
    capture = Capture(balanced_web, tmp_path / "ext.pcap", f"interface ext tcp and dst host {VIP}")
    before = balanced_web.stats("ext")["received"]
    requests(lab, 20)
    client.announce()
    client.send(client.ip(VIP) / TCP(sport=5, dport=81, flags="S"),
                client.ip(VIP) / TCP(sport=6, dport=80, flags="S"))
    wait_until(lambda: len(verdicts(capture.file)) >= balanced_web.stats("ext")["received"] -
               before - 10, 10, "the frames are in the file")
    said = capture.end(signal.SIGINT)
    packets, lines = capture.packets(), verdicts(capture.file)
    assert said == f"{capture.file}: {len(packets)} frames, 0 lost.\n"
    assert len(packets) == len(lines) > 100
    assert [int(line[0]) for line in lines] == list(range(1, len(lines) + 1))
    assert {line[1] for line in lines} == {"ext"}
    for packet, (_, _, verdict, backend, out) in zip(packets, lines):
        assert packet[IP].dst == VIP and packet[Ether].dst == EXT_MAC   # before the rewrite
        if packet[TCP].dport == 81:
            assert (verdict, backend, out) == ("no_service", "-", "-")
        else:
            assert verdict == "forwarded" and out == "int"
            assert backend.split(":")[0] in BACKENDS.values()
    assert sum(packet[TCP].flags == "S" for packet in packets) == 22
    told = subprocess.run(["tcpdump", "-nr", capture.file, "tcp[13] = 2"], text=True,
                          capture_output=True, check=True).stdout
    assert len(told.splitlines()) == 22


def test_a_capture_replays_as_it_went(balanced_web, lab, tmp_path):
    balanced_web.lb("set pool web check none", f"set interface ext mac {EXT_MAC}")
    capture = Capture(balanced_web, tmp_path / "ext.pcap", "interface ext count 50 tcp")
    requests(lab, 20)
    capture.end()
    script = tmp_path / "script"
    script.write_text(balanced_web.lb("export").output)
    replay = subprocess.run([BUILD / "lbd", "replay", "--config", script, "--assume-up", "--json",
                             "--in", f"ext={capture.file}"], text=True, capture_output=True,
                            check=True)
    # Time is the captures': a flow goes where it went; what waited for a MAC there waits here.
    again = [json.loads(line) for line in replay.stdout.splitlines()[:50]]
    assert [frame["backend"] for frame in again] == [line[3] for line in verdicts(capture.file)]


def test_a_capture_ends_at_its_count_and_by_another_console(balanced_web, lab, tmp_path):
    first = Capture(balanced_web, tmp_path / "a.pcap", "count 7 tcp port 80")
    busy = balanced_web.lb(f"capture {tmp_path}/b.pcap", check=False)
    assert busy.status == 1 and "captures already. `capture stop` ends it" in busy.error
    assert not (tmp_path / "b.pcap").exists()
    requests(lab, 5)
    assert first.end() == f"{first.file}: 7 frames, 0 lost.\n"
    assert len(first.packets()) == 7
    second = Capture(balanced_web, tmp_path / "c.pcap")
    requests(lab, 1)
    assert balanced_web.lb("capture stop").output == "The capture has ended.\n"
    assert " frames, 0 lost.\n" in second.end()
    assert len(second.packets()) == len(verdicts(second.file)) > 5
    assert balanced_web.lb("capture stop", check=False).status == 1


def test_what_was_captured_stays_whoever_dies(balanced_web, lab, tmp_path):
    killed = Capture(balanced_web, tmp_path / "a.pcap", "tcp")
    requests(lab, 5)
    wait_until(lambda: len(verdicts(killed.file)) > 20, 10, "frames are in the file")
    killed.end(signal.SIGKILL, status=-signal.SIGKILL)
    assert len(killed.packets()) > 20
    after = Capture(balanced_web, tmp_path / "b.pcap", "tcp")   # the first one has ended with it
    requests(lab, 5)
    wait_until(lambda: len(verdicts(after.file)) > 20, 10, "frames are in the file")
    balanced_web.kill()
    assert "lbd has ended the conversation" in after.end(status=3)
    assert len(after.packets()) > 20
    balanced_web.start()


def test_frames_that_a_slow_console_cannot_take_are_counted(balanced_web, lab, tmp_path):
    """Nobody waits for it: all requests are answered, and what is lost is told."""
    capture = Capture(balanced_web, tmp_path / "a.pcap")
    capture.process.send_signal(signal.SIGSTOP)
    iperf = lab.start("b1", "iperf3", "-s", "-1", stdout=subprocess.DEVNULL)
    balanced_web.lb("add pool bulk", "add backend bulk 10.0.0.11:5201",
                    "add service bulk 203.0.113.10:5201/tcp pool bulk")
    wait_until(lambda: lab.run("b1", "ss", "-Hltn", "sport", "=", ":5201").stdout, 10, "iperf3")
    done = lab.run("client", "iperf3", "-c", VIP, "-n", "200M", "-J")
    assert json.loads(done.stdout)["end"]["sum_sent"]["bytes"] >= 200e6
    iperf.wait(10)
    capture.process.send_signal(signal.SIGCONT)
    said = capture.end(signal.SIGINT)
    frames, lost = map(int, re.search(r": (\d+) frames, (\d+) lost: there was no room",
                                      said).groups())
    assert lost > 0 and len(verdicts(capture.file)) == frames


@pytest.mark.parametrize("arguments, sentence", [
    ("interface exr", 'no interface "exr"'),
    ("tcp prot 80", 'filter "tcp prot 80": '),
])
def test_a_capture_that_makes_no_sense_is_refused(appliance, tmp_path, arguments, sentence):
    refused = appliance.lb(f"capture {tmp_path}/a.pcap {arguments}", check=False)
    assert refused.status == 1 and sentence in refused.error
    assert not list(tmp_path.glob("a.pcap*"))


def test_a_file_that_cannot_be_written_ends_the_capture(appliance, tmp_path):
    (tmp_path / "a.pcap").write_text("precious")
    refused = appliance.lb(f"capture {tmp_path}/a.pcap", check=False)
    assert refused.status == 1 and "it is there already and not empty" in refused.error
    assert (tmp_path / "a.pcap").read_text() == "precious"
    refused = appliance.lb("capture /dev/full", check=False)
    assert refused.status == 1 and "cannot write /dev/full" in refused.error
    assert appliance.lb("capture stop", check=False).status == 1   # it has ended


STEPS = ["rx_at", "flow_at", "select_at", "rewrite_at", "tx_at"]


def test_packets_are_traced_with_the_time_of_each_step(balanced_web, lab):
    said = balanced_web.lb(f"trace add 5 tcp[13] = 2 and dst host {VIP}").output
    assert said == "The next 5 packets will be traced.\n"
    assert balanced_web.lb("show trace").output == ""
    requests(lab, 10)
    traces = balanced_web.show("trace")
    assert [trace["number"] for trace in traces] == [1, 2, 3, 4, 5]
    for trace in traces:
        assert trace["tcp_flags"] == "S" and trace["verdict"] == "forwarded"
        assert trace["service"] == "web" and trace["flow"] == "miss" and trace["slot"] >= 0
        assert trace["backend"] == trace["new_destination"]
        assert trace["new_source"] == f"{trace['source_address']}:{trace['source_port']}"
        assert trace["interface"] == "ext" and trace["out_interface"] == "int"
        mac = "02:00:" + ":".join(f"{int(n):02x}" for n in
                                  trace["backend"].split(":")[0].split("."))
        assert trace["next_hop_mac"] == mac
        times = [trace[step] for step in STEPS]
        assert times == sorted(times) and 0 < times[-1] < 100e6
    text = balanced_web.lb("show trace").output
    assert re.fullmatch(
        rf"#1 \d\d:\d\d:\d\d\.\d{{6}} ext \S+ > {VIP}:80 tcp S len 60\n"
        r"   \+\d+\.\d\dus rx      service web\n"
        r"   \+\d+\.\d\dus flow    miss\n"
        r"   \+\d+\.\d\dus select  maglev slot \d+ -> 10\.0\.0\.\d+:80\n"
        rf"   \+\d+\.\d\dus rewrite nat {VIP}:80 -> 10\.0\.0\.\d+:80\n"
        r"   \+\d+\.\d\dus tx      int -> 02:00:0a:00:00:0[bcd]\n",
        "".join(text.splitlines(keepends=True)[:6]))


def test_traces_are_kept_until_they_are_cleared(balanced_web, lab):
    balanced_web.lb("trace add 3 tcp", "trace add 2 tcp port 80")
    requests(lab, 3)
    assert len(balanced_web.show("trace")) == 2     # the last filter is the one that holds
    balanced_web.lb("trace add 1000 tcp")
    requests(lab, 200)
    assert len(balanced_web.show("trace")) == 1000
    full = balanced_web.lb("trace add 1", check=False)
    assert full.status == 1 and "`clear trace` makes room" in full.error
    balanced_web.lb("clear trace")
    requests(lab, 3)
    assert balanced_web.show("trace") == []
    wrong = balanced_web.lb("trace add 1 tcp prot 80", check=False)
    assert wrong.status == 1 and 'filter "tcp prot 80"' in wrong.error
