"""Health: active checks of every kind, heartbeats, and what goes up and down when."""
import socket
import subprocess
import time

import pytest

from lab import BACKENDS, INT, INTERFACES, ROOT, VIP, UdpEcho, wait_until

B2 = BACKENDS["b2"]


def configure(appliance, check, pool_check=True):
    appliance.configure(INTERFACES + f"""\
        add check hc {check}
        add pool web{" check hc" if pool_check else ""}
        add backend web 10.0.0.11:80 weight 1
        add backend web 10.0.0.12:80 weight 1
        add backend web 10.0.0.13:80 weight 1
        add service web 203.0.113.10:80/tcp pool web
        """)


def answering(lab, count=60):
    names = lab.run("client", "curl", "-sS", "--max-time", "5", f"http://{VIP}/?[1-{count}]").stdout
    assert len(names.split()) == count
    return set(names.split())


def test_a_backend_starts_down_and_is_up_on_its_first_success(appliance, web, lab):
    configure(appliance, "tcp port 80 interval 1 timeout 1 rise 5")
    begin = time.monotonic()
    appliance.wait_all_up()
    assert time.monotonic() - begin < 3, "the first success counts at once, whatever rise says"
    assert answering(lab) == set(BACKENDS)


def test_tcp_a_closed_port_takes_it_down_and_rise_brings_it_back(appliance, web, lab):
    configure(appliance, "tcp port 80 interval 200ms timeout 200ms fall 3 rise 2")
    appliance.wait_all_up()
    web["b2"].kill()
    try:
        appliance.wait_backend(B2, "down", 5)
        assert answering(lab) == {"b1", "b3"}
    finally:
        web["b2"].start()
    appliance.wait_backend(B2, "up", 5)
    assert answering(lab) == set(BACKENDS)


def test_a_tcp_check_leaves_no_connection_behind(appliance, web, lab):
    configure(appliance, "tcp port 80 interval 100ms timeout 100ms")
    appliance.wait_all_up()
    time.sleep(1)   # ten checks; a half-open connection would outlive them all
    connections = lab.run("b1", "ss", "-Htan", "sport", "=", ":80").stdout.splitlines()
    assert not [line for line in connections if "SYN-RECV" in line or "ESTAB" in line], connections


@pytest.mark.parametrize("kind", ["icmp", "arp"])
def test_an_unplugged_host_goes_down_and_comes_back(appliance, lab, kind):
    configure(appliance, f"{kind} interval 200ms timeout 200ms")
    appliance.wait_all_up()
    lab.link("switch", "set", "b2", "down")
    try:
        appliance.wait_backend(B2, "down", 5)
        assert appliance.backend(BACKENDS["b1"])["state"] == "up"
    finally:
        lab.link("switch", "set", "b2", "up")
    appliance.wait_backend(B2, "up", 10)


def test_udp_check_with_the_answer_it_wants(appliance, lab):
    servers = {node: UdpEcho(lab, node, 7000) for node in BACKENDS}
    try:
        configure(appliance, 'udp port 7000 interval 200ms timeout 200ms payload "hello" '
                             'expect "b"')
        appliance.wait_all_up()
        servers["b2"].close()
        appliance.wait_backend(B2, "down", 5)
        servers["b2"] = UdpEcho(lab, "b2", 7000)
        appliance.wait_backend(B2, "up", 5)
        appliance.configure('set check hc expect "b1 hello"\n')
        appliance.wait_backend(B2, "down", 5)
        assert appliance.backend(BACKENDS["b1"])["state"] == "up"
    finally:
        for server in servers.values():
            server.close()


def test_the_port_of_the_check_may_differ_from_the_service(appliance, web, lab):
    configure(appliance, "tcp port 81 interval 200ms timeout 200ms")
    listener = lab.socket("b1", socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind((BACKENDS["b1"], 81))
        listener.listen()
        appliance.wait_backend(BACKENDS["b1"], "up", 5)
        assert appliance.backend(B2)["state"] == "down"
        assert answering(lab) == {"b1"}
    finally:
        listener.close()


def beat(lab, node, port):
    with lab.socket(node, socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(b"alive", (INT, port))


def test_heartbeats_to_a_port(appliance, lab):
    configure(appliance, "heartbeat from port 6969 timeout 1")
    assert appliance.backend(B2)["state"] != "up"
    beat(lab, "b2", 6970)   # another port does not count
    beat(lab, "b2", 6969)
    appliance.wait_backend(B2, "up", 2)
    assert appliance.backend(BACKENDS["b1"])["state"] != "up"
    for _ in range(10):     # kept alive beyond the timeout
        time.sleep(0.2)
        beat(lab, "b2", 6969)
    assert appliance.backend(B2)["state"] == "up"
    silence = time.monotonic()
    appliance.wait_backend(B2, "down", 3)
    assert time.monotonic() - silence > 0.7


def test_any_packet_is_a_heartbeat(appliance, lab):
    configure(appliance, "heartbeat from any timeout 1")
    beat(lab, "b3", 12345)
    appliance.wait_backend(BACKENDS["b3"], "up", 2)
    appliance.wait_backend(BACKENDS["b3"], "down", 3)


def test_a_reply_is_a_heartbeat_and_still_a_reply(appliance, web, lab):
    configure(appliance, "heartbeat from any timeout 2")
    for node in BACKENDS:
        beat(lab, node, 12345)
    appliance.wait_all_up(2)
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        assert answering(lab, 30) <= set(BACKENDS)
    assert [row["state"] for row in appliance.show("backend")] == ["up"] * 3


def test_disable_and_enable(appliance, web, lab):
    configure(appliance, "tcp port 80 interval 200ms timeout 200ms")
    appliance.wait_all_up()
    appliance.lb("disable backend web 10.0.0.12:80")
    assert appliance.backend(B2)["admin"] == "disabled"
    assert appliance.backend(B2)["health"] == "up"
    assert answering(lab) == {"b1", "b3"}
    appliance.lb("enable backend web 10.0.0.12:80")
    wait_until(lambda: answering(lab) == set(BACKENDS), 5, "b2 has its share again")


def test_no_usable_backend_is_a_drop_of_its_own(appliance, lab):
    configure(appliance, "tcp port 9 interval 200ms timeout 200ms")
    curl = lab.run("client", "curl", "-s", "--max-time", "1", f"http://{VIP}/", check=False)
    assert curl.returncode != 0
    assert appliance.drops()["no_backend"] >= 1


def test_state_survives_a_commit_that_does_not_touch_it(appliance, web):
    configure(appliance, "tcp port 80 interval 1 timeout 1")
    appliance.wait_all_up()
    appliance.configure("set backend web 10.0.0.11:80 weight 7\n"
                        "add service two 203.0.113.11:80/tcp pool web\n")
    assert [row["state"] for row in appliance.show("backend")] == ["up"] * 3


def test_transitions_are_events(appliance, web):
    configure(appliance, "tcp port 80 interval 200ms timeout 200ms")
    appliance.wait_all_up()
    web["b2"].kill()
    try:
        appliance.wait_backend(B2, "down", 5)
    finally:
        web["b2"].start()
    appliance.wait_backend(B2, "up", 5)
    lines = [line for line in appliance.lb("show events").output.splitlines() if B2 in line]
    assert sum("down" in line for line in lines) == 1, lines


SENDER = ROOT / "scripts/lb-heartbeat"
KEY = "000102030405060708090a0b0c0d0e0f"


def test_backends_come_and_go_by_signed_heartbeats_with_nothing_configured(appliance, web, lab):
    appliance.configure(INTERFACES + f"""\
        add check life heartbeat from port 6969 timeout 1 key {KEY} register 10.0.0.0/24
        add pool web check life
        add service web 203.0.113.10:80/tcp pool web
        """)
    senders = {node: lab.start(node, SENDER, "--to", f"{INT}:6969", "--key", KEY, "--interval",
                               "0.2", "--weight", "3") for node in ("b1", "b2")}
    wrong = lab.start("b3", SENDER, "--to", f"{INT}:6969", "--key", KEY[::-1], "--interval", "0.2")
    wait_until(lambda: sorted(row["address"] for row in appliance.show("backend")
                              if row["state"] == "up" and row["weight"] == 3 and row["port"] == 0)
               == [BACKENDS["b1"], BACKENDS["b2"]], 5, "two have registered with their weight")
    assert answering(lab) == {"b1", "b2"}
    assert appliance.show("drops")["heartbeat_forged"]
    senders["b1"].terminate()
    wait_until(lambda: [row["address"] for row in appliance.show("backend")] == [B2], 5,
               "b1 has left")
    assert answering(lab) == {"b2"}
    assert "backend 10.0.0.11 left check life" in appliance.lb("show events").output
    assert "10.0.0.1" not in appliance.lb("export").output.split("register")[1]
    wrong.terminate()


@pytest.mark.parametrize("arguments, sentence", [
    (["--to", "10.0.0.1"], "is not ADDRESS:PORT"),
    (["--to", "10.0.0.1:6969", "--key", "00"], "the key has 1 bytes, not 16 to 64"),
    (["--to", "10.0.0.1:6969", "--key", "xy"], "the key is not hexadecimal digits"),
    (["--to", "10.0.0.1:6969", "--key-file", "/nonexistent"], "--key-file: "),
    (["--to", "10.0.0.1:6969", "--weight", "70000"], "70000 is out of range 0-65535"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_the_sender_of_heartbeats_refuses_with_a_reason(arguments, sentence):
    result = subprocess.run([SENDER, *arguments], capture_output=True, text=True, timeout=20)
    assert result.returncode == 2 and sentence in result.stderr
