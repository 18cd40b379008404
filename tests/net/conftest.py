"""Fixtures of the tests in namespaces. After every test the law of conservation is checked."""
import os

import pytest

from lab import BACKENDS, BUILD, WEB, Appliance, Host, Lab, Nginx


def pytest_configure(config):
    if os.geteuid() != 0:
        pytest.exit("network namespaces and packet rings need root", returncode=1)
    for program in ("lbd", "lb"):
        if not (BUILD / program).exists():
            pytest.exit(f"{BUILD / program} is not built. Run:  make", returncode=1)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure is reported with what lbd says of itself at that moment."""
    report = (yield).get_result()
    if report.failed:
        for appliance in getattr(item, "appliances", []):
            report.sections.append(("the appliance", appliance.describe()))


@pytest.fixture(scope="module")
def lab():
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture
def make_appliance(lab, tmp_path, request):
    """Makes an Appliance, not started yet; at the end it must be alive, sound and end cleanly."""
    made = request.node.appliances = []

    def make(*arguments):
        made.append(Appliance(lab, tmp_path, *arguments))
        return made[-1]

    yield make
    for appliance in made:
        assert appliance.is_alive(), f"lbd has ended by itself:\n{appliance.log_text()}"
        try:
            appliance.check_conservation()
        finally:
            appliance.stop()


@pytest.fixture
def appliance(make_appliance):
    """A fresh lbd without a configuration."""
    return make_appliance().start()


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The folder that the web servers serve."""
    folder = tmp_path_factory.mktemp("content")
    for part in (folder, *folder.parents[:2]):
        part.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def web(lab, content, tmp_path_factory):
    """Real web servers on the three backends, by name."""
    folder = tmp_path_factory.mktemp("nginx")
    servers = {node: Nginx(lab, node, folder / node, content) for node in BACKENDS}
    yield servers
    for server in servers.values():
        server.kill()


@pytest.fixture
def balanced_web(appliance, web):
    """lbd in front of the three web servers, all of them found up."""
    appliance.configure(WEB)
    appliance.wait_all_up()
    return appliance


@pytest.fixture
def client(lab):
    """A raw host beside the client."""
    host = Host(lab, "client", "198.51.100.99", "02:00:c6:33:64:63")
    yield host
    host.close()


@pytest.fixture
def server(lab):
    """A raw host beside b1."""
    host = Host(lab, "b1", "10.0.0.50", "02:00:0a:00:00:32")
    yield host
    host.close()
