"""With `forwarding on`, real hosts reach each other past the services, at their very ports, too."""
import pytest

from lab import BACKENDS, EXT, VIP, wait_until


@pytest.fixture
def routed(balanced_web, lab):
    """The appliance is the client's way to the backends as well."""
    lab.run("client", "ip", "route", "add", "10.0.0.0/24", "via", EXT)
    balanced_web.lb("set global forwarding on")
    yield balanced_web
    lab.run("client", "ip", "route", "delete", "10.0.0.0/24")


def curl(lab, node, address, *words):
    return lab.run(node, "curl", "-s", "--max-time", "3", *words, f"http://{address}/",
                   check=False).stdout.strip()


def test_a_backend_answers_itself_and_the_vip_as_ever(routed, lab):
    for node, address in BACKENDS.items():
        assert curl(lab, "client", address) == node
    assert curl(lab, "client", VIP) in BACKENDS
    assert len(routed.show("flow")) == 4


def test_without_it_nobody_does_and_no_flow_is_left(routed, lab):
    curl(lab, "client", BACKENDS["b1"])
    assert routed.show("flow")
    routed.lb("set global forwarding off")
    wait_until(lambda: not routed.show("flow"), 3, "the direct call's flow ends")
    assert curl(lab, "client", BACKENDS["b1"]) == ""
    assert curl(lab, "client", VIP) in BACKENDS
