"""The interfaces stay the kernel's: what lbd takes and sends is seen and counted by everybody's tools,
which a bypass driver's is not."""
import contextlib
import json
import subprocess

from lab import VIP, wait_until


def counters(lab):
    links = json.loads(lab.run("appliance", "ip", "-json", "-statistics", "link").stdout)
    return {link["ifname"]: link["stats64"] for link in links}


def test_ip_counts_what_lbd_receives_and_sends(balanced_web, lab):
    before = counters(lab)
    lab.run("client", "curl", "-sS", "--max-time", "10", f"http://{VIP}/?[1-20]")
    after = counters(lab)
    for interface in ("ext", "int"):
        for way in ("rx", "tx"):
            new = after[interface][way]["packets"] - before[interface][way]["packets"]
            assert new >= 20 * 5, (interface, way)


@contextlib.contextmanager
def tcpdump(lab, interface, file):
    """What tcpdump says of an interface goes to the file."""
    with open(file, "w") as output:
        process = lab.start("appliance", "tcpdump", "-lnpi", interface, "tcp port 80",
                            stdout=output, stderr=subprocess.PIPE, text=True)
        while "listening on" not in process.stderr.readline():
            assert process.poll() is None
        yield
        process.terminate()
        process.wait(timeout=5)


def test_tcpdump_sees_both_sides_of_the_translation(balanced_web, lab, tmp_path):
    outside, inside = tmp_path / "ext", tmp_path / "int"
    with tcpdump(lab, "ext", outside), tcpdump(lab, "int", inside):
        lab.run("client", "curl", "-sS", "--max-time", "10", f"http://{VIP}/")
        for file, words in ((outside, f"> {VIP}.80: Flags [S]"), (outside, f"IP {VIP}.80 >"),
                            (inside, "> 10.0.0.1"), (inside, "IP 10.0.0.1")):
            wait_until(lambda file=file, words=words: words in file.read_text(), 5, words)
