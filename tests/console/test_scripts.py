"""Scripts that are long, wrong somewhere, or generated."""
import random
import subprocess

import pytest

from appliance import PATIENCE


def backends(count):
    return ["add pool web"] + [
        f"add backend web 10.{i >> 16}.{i >> 8 & 255}.{i & 255 or 1}:{80 + i % 7}"
        for i in range(1, count)]


def test_ten_thousand_lines_are_one_revision(appliance):
    lines = list(dict.fromkeys(backends(10000)))
    assert appliance.lb(script="\n".join(lines)) == "r1 active.\n"
    assert appliance.lb("-c", "show backend | count") == f"{len(lines) - 1}\n"
    assert appliance.lb("-c", "show config").splitlines()[0] == "add pool web"
    assert appliance.lb(script="\n".join(lines)) == "unchanged (r1).\n"


def test_of_many_that_leave_service_at_once_the_first_are_told(appliance):
    appliance.lb("-q", script="\n".join(backends(100)))
    appliance.lb("-q", script="\n".join(line.replace("add", "drain", 1)
                                        for line in backends(100)[1:]))
    told = [line.split(None, 2)[2] for line in
            appliance.lb("-c", "show events | match r2").splitlines()[1:]]
    assert len(told) == 9
    assert told[0].startswith("backend web/10.0.0.1:81 drain by ")
    assert told[-1].startswith("91 more went into service or out of it by ")


def test_a_wrong_line_500_of_1000_is_told_and_nothing_applied(appliance):
    lines = list(dict.fromkeys(backends(1100)))[:1000]
    lines[499] += " weigth 5"
    column = lines[499].index("weigth") + 1
    text = appliance.lb(script="\n".join(lines) + "\n", status=2)
    assert text == (f'<stdin>:500:{column}: error: no option "weigth". Did you mean "weight"?\n'
                    f"{lines[499]}\n{' ' * (column - 1)}^^^^^^\n"
                    "error: 1 of 1000 lines failed; nothing was applied (still at r0)\n")
    assert appliance.lb("-c", "show config") == ""


def test_a_script_of_rubbish_is_refused_line_by_line(appliance):
    rubbish = random.Random(1).randbytes(200000)
    text = appliance.lb(script=rubbish, status=2)
    assert text.count("<stdin>:") == 20 and "nothing was applied (still at r0)" in text
    assert "\x1b" not in text


def test_what_is_larger_than_anything_is_refused_here(appliance):
    text = appliance.lb(script=b"# " + b"x" * 40_000_000, status=1)
    assert "cannot read stdin: File too large" in text


def test_a_reader_that_goes_away_ends_lb_and_not_lbd(appliance):
    appliance.lb("-q", script="\n".join(backends(5000)))
    lb = subprocess.Popen(appliance.command("-c", "show config"), stdout=subprocess.PIPE)
    assert lb.stdout.readline() == b"add pool web\n"
    lb.stdout.close()
    assert lb.wait(PATIENCE) < 0
    assert appliance.lb("-c", "show pool | count") == "1\n"


class Generator:
    """Configurations that are right, from a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def some(self, text):
        return text if self.random.random() < 0.5 else ""

    def name(self, index):
        return self.random.choice(["web", "dns-", "a.b_", "Z", "9lives", "x" * 40]) + str(index)

    def address(self, network, index):
        return f"10.{network}.{index // 250}.{index % 250 + 1}"

    def lines(self):
        r, some = self.random, self.some
        choose, number = r.choice, r.randint
        yield f"set global seed {number(0, 2**32 - 1)} forwarding {choose(['on', 'off'])}"
        interfaces = [f"eth{i}" for i in range(number(1, 4))]
        for i, name in enumerate(interfaces):
            yield (f"add interface {name} role {choose(['frontend', 'backend', 'both'])}"
                   f" address 10.{i}.0.254/16" + some(f" address 192.168.{i}.1/{number(24, 30)}")
                   + some(f" mac 02:00:00:00:00:0{i}")
                   + some(choose([" filter 'tcp port 80'",
                                  ' filter "not port 22 and (udp or \\\\x)"'])))
        if number(0, 1):
            yield f"add route 0.0.0.0/0 via 10.0.0.{number(1, 250)}"
        for i in range(number(0, 2)):
            on = number(0, len(interfaces) - 1)
            yield f"add neighbor 10.{on}.9.{i + 1} mac 02:00:00:00:01:0{i} interface eth{on}"
        checks = [f"check{i}" for i in range(number(0, 3))]
        for name in checks:
            kind = choose(["icmp", "tcp", "udp", "arp", "heartbeat"])
            port, active = kind in ("tcp", "udp"), kind != "heartbeat"
            yield (f"add check {name} {kind}" + some(" timeout 500ms")
                   + (some(f" interval {number(1, 60)}") if active else "")
                   + (some(f" rise {number(1, 9)}") if active else "")
                   + (some(f" port {number(1, 65535)}") if port else "")
                   + (some(f" from port {number(1, 65535)}") if kind == "heartbeat" else "")
                   + (" payload 'say \"hi\" | # \\ ?'" if kind == "udp" else ""))
        pools = [self.name(i) for i in range(number(0, 4))]
        for name in pools:
            yield (f"add pool {name}" + some(f" affinity {choose(['5-tuple', 'source-ip'])}")
                   + (some(f" check {choose(checks)}") if checks else ""))
        for pool in pools:
            for i in range(number(0, 5)):
                yield (f"add backend {pool} {self.address(1, i)}:{number(1, 65535)}"
                       + some(f" weight {number(0, 65535)}") + some(f" name b{i}")
                       + some(f" admin {choose(['enabled', 'drain', 'disabled'])}"))
        for i, pool in enumerate(pools):
            vip = f"203.0.113.{i + 1}:{number(1, 65535)}/{choose(['tcp', 'udp', 'any'])}"
            yield (f"add service s{i} {vip} pool {pool}" + some(f" idle-timeout {number(1, 900)}")
                   + some(f" max-flows {number(1, 1000)}") + some(" when-full shed")
                   + some(" admin disabled"))

    def script(self):
        return "\n".join([*self.lines(), "commit comment 'generated'", ""])


def load(appliance, script):
    return appliance.lb("-c", "load - replace", script=script)


@pytest.mark.timeout(300)   # eight hundred runs of lb, under a sanitizer too
def test_export_and_load_replace_changes_nothing(appliance, other):
    """Hundreds of configurations: what comes out goes in again as the same, here and elsewhere."""
    texts = []
    for seed in range(200):
        assert "active" in load(appliance, Generator(seed).script()), f"seed {seed}"
        texts.append(appliance.lb("-c", "export"))
        assert texts[-1].endswith("\ncommit\n")
        assert load(appliance, texts[-1]).startswith("unchanged"), f"seed {seed}"
        load(other, texts[-1])
        assert other.lb("-c", "export") == texts[-1], f"seed {seed}"
    assert len(set(texts)) == 200


def test_every_kept_revision_can_be_rolled_back_to(appliance):
    texts = {}
    for seed in range(20):
        load(appliance, Generator(seed).script())
        texts[seed + 1] = appliance.lb("-c", "export")
    for number in random.Random(0).sample(sorted(texts), 20):
        appliance.lb("-q", "-c", f"rollback {number}")
        assert appliance.lb("-c", "export") == texts[number]


def test_order_of_lines_is_free_where_names_allow_it(appliance):
    lines = [line for line in Generator(3).lines()]
    load(appliance, "\n".join([*lines, "commit"]))
    wanted = appliance.lb("-c", "export")
    adds = {kind: [line for line in lines if line.split()[1] == kind] for kind in
            ("global", "interface", "route", "neighbor", "check", "pool", "backend", "service")}
    for kind in adds:
        random.Random(kind).shuffle(adds[kind])
    load(appliance, "\n".join([*sum(adds.values(), []), "commit"]))
    assert appliance.lb("-c", "export") == wanted
