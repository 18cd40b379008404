"""Everything at once: traffic, commits, questions, metrics, and a link that comes and goes. Under
ThreadSanitizer (SANITIZE=thread) it is what looks for races between control and packet path."""
import random
import threading
import time

from lab import VIP, WEB

SECONDS = 5
METRICS = "127.0.0.1:9144"
QUESTIONS = ["status", "interface", "neighbor", "service", "pool", "backend", "check", "flow",
             "drops", "stats", "config", "revisions", "events"]


class Worker(threading.Thread):
    """Does something again and again until time is up; keeps what went wrong."""

    def __init__(self, work):
        super().__init__()
        self.work, self.turns, self.error = work, 0, None

    def run(self):
        deadline = time.monotonic() + SECONDS
        try:
            while time.monotonic() < deadline:
                self.work()
                self.turns += 1
        except Exception as error:    # told by the test's own thread
            self.error = error


def test_churn(make_appliance, lab, web):
    appliance = make_appliance("--metrics", METRICS).start()
    lab.link("appliance", "add", "spare", "type", "veth", "peer", "name", "spare-peer")
    appliance.configure(WEB + "add interface spare role backend address 10.9.0.1/24\n")
    appliance.wait_all_up()
    chance = random.Random(1)

    def traffic():
        curl = lab.run("client", "curl", "-sS", "--max-time", "10", f"http://{VIP}/?[1-20]")
        assert len(curl.stdout.split()) == 20

    def commit():
        weight = chance.randrange(1, 1000)
        appliance.lb(f"set backend web 10.0.0.11:80 weight {weight}")
        appliance.lb(script="add pool more check web-hc\nadd backend more 10.0.0.12:80\n"
                            "add service more 203.0.113.11:80/tcp pool more\n")
        appliance.lb(script="del service more\ndel backend more 10.0.0.12:80\ndel pool more\n")

    def ask():
        appliance.lb(*(f"show {what}" for what in QUESTIONS),
                     f"lookup 198.51.100.7:999 {VIP}:80/tcp")

    def clear():
        appliance.lb("clear flow client 192.0.2.1")
        appliance.check_conservation()

    def scrape():
        page = lab.run("appliance", "curl", "-sS", "--max-time", "10", f"http://{METRICS}/metrics")
        assert "lb_" in page.stdout

    def flap():
        lab.link("appliance", "set", "spare", "mtu", chance.choice((1400, 1500, 9000)), "up")
        lab.link("appliance", "set", "spare-peer", "up")
        time.sleep(0.05)
        lab.link("appliance", "set", "spare", "down")

    try:
        workers = [Worker(work) for work in (traffic, commit, ask, clear, scrape, flap)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        for worker in workers:
            if worker.error:
                raise worker.error
            assert worker.turns, worker.work
    finally:
        lab.link("appliance", "delete", "spare")
