"""What an operator watches while real traffic goes through: monitor."""
import json
import subprocess

from lab import BACKENDS, BUILD, VIP


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
