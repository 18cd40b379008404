"""The host's kernel must stay silent for what lbd answers for: lbd says what makes it speak."""
import pytest

from lab import EXT, INTERFACES, VIP

SERVICE = f"add pool web\nadd service web {VIP}:80/tcp pool web\n"


def warnings(appliance):
    return [row["event"] for row in appliance.show("events") if row["event"].startswith("warning")]


@pytest.fixture
def host(lab):
    """Makes the host own an address, or forward; at the end it does not any more."""
    undo = []

    def own(address, interface):
        lab.run("appliance", "ip", "address", "add", address, "dev", interface)
        undo.append(("ip", "address", "delete", address, "dev", interface))

    def forward(interface):
        lab.run("appliance", "sysctl", "-qw", f"net.ipv4.conf.{interface}.forwarding=1")
        undo.append(("sysctl", "-qw", f"net.ipv4.conf.{interface}.forwarding=0"))

    own.forward = forward
    yield own
    for words in undo:
        lab.run("appliance", *words)


def test_a_silent_host_is_not_warned_of(appliance):
    appliance.configure(INTERFACES + SERVICE)
    assert not warnings(appliance)


def test_at_start(make_appliance, host):
    host(f"{VIP}/32", "lo")
    host.forward("int")
    appliance = make_appliance().start()
    appliance.configure(INTERFACES + SERVICE)
    appliance.stop()
    appliance.start()
    said = warnings(appliance)
    assert any("address of service web on lo" in text for text in said), said
    assert any("net.ipv4.conf.int.forwarding" in text for text in said), said
    assert not any("conf.ext" in text for text in said), said


def test_when_a_service_comes_later(appliance, host):
    host(f"{VIP}/32", "lo")
    appliance.configure(INTERFACES)
    assert not warnings(appliance)
    appliance.configure(SERVICE)
    (said,) = warnings(appliance)
    assert "address of service web on lo" in said
    appliance.lb("set service web idle-timeout 60")
    assert len(warnings(appliance)) == 1


def test_an_address_of_an_interface_too(appliance, host):
    host(f"{EXT}/24", "ext")
    appliance.configure(INTERFACES)
    (said,) = warnings(appliance)
    assert "address of interface ext on ext" in said
