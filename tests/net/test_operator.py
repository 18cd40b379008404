"""The operator's session, typed key by key at a terminal, while real servers and clients are there."""
import re
import sys
from pathlib import Path

import pytest

from lab import BUILD, INTERFACES, VIP

sys.path.append(str(Path(__file__).parents[1] / "console"))
from screen import Screen   # noqa: E402

CLOCK = r"\d\d:\d\d:\d\d"


@pytest.fixture
def screen(appliance, web):
    """lb, just started, on an appliance that has only interfaces."""
    appliance.configure(INTERFACES)
    screen = Screen([str(BUILD / "lb"), "--socket", str(appliance.socket)], columns=110)
    screen.wait(r"lb 0\.1 on \S+, r1\. '\?' or 'help'\.", "lb>")
    yield screen
    screen.close()


def keys(screen, *pressed):
    """Texts and names of keys in the order typed: "add ch", "Tab", "web-hc", "Enter"."""
    for key in pressed:
        if key in ("Tab", "Enter", "C-c", "C-u"):
            screen.press(key)
        else:
            screen.type(key)


def line(screen, text, *pressed):
    """A line, typed with Tab; it is on the screen as meant before it is sent."""
    keys(screen, *pressed)
    screen.wait(rf"lb\*?> {re.escape(text)}")
    screen.press("Enter")


def launch(screen):
    """From nothing to a service, as the contract shows it, up to the commit."""
    line(screen, "configure", "configu", "Tab")
    screen.wait("lb> configure", r"lb\*>")
    keys(screen, "add check web-hc ?")
    screen.see(r"^  icmp +\S", r"^  tcp +\S", r"^  heartbeat +\S")
    screen.wait(r"lb\*> add check web-hc")
    line(screen, "add check web-hc tcp port 80", "t", "Tab", "po", "Tab", "80")
    screen.wait(r"lb\*>")
    line(screen, "add pool web check web-hc", "ad", "Tab", "po", "Tab", "web ch", "Tab", "Tab")
    screen.wait(r"lb\*>")
    line(screen, "add backend web 10.0.0.11:80 weight 100", "add b", "Tab", "w", "Tab",
         "10.0.0.11:80 we", "Tab", "100")
    screen.wait(r"lb\*>")
    keys(screen, "add backend web 10.0.0.99:80")   # on second thoughts
    screen.wait(r"lb\*> add backend web 10.0.0.99:80")
    keys(screen, "C-c")
    screen.wait(r"lb\*> add backend web 10.0.0.99:80\^C", r"lb\*>")
    line(screen, "add service web 203.0.113.10:80/tcp pool web", "add s", "Tab",
         "web 203.0.113.10:80/tcp poo", "Tab", "Tab")
    screen.wait(r"lb\*>")


def test_the_session_of_the_contract(screen, appliance, lab):
    launch(screen)
    assert appliance.show("backend") == []   # all of it is the candidate's as yet
    line(screen, 'commit confirmed 5 comment "web launch"', "commi", "Tab", "conf", "Tab",
         "5 comm", "Tab", '"web launch"')
    screen.wait(rf"r2 active\. Reverts to r1 at {CLOCK} unless you type 'confirm'\.",
                r"% backend web/10\.0\.0\.11:80 up", "lb>")
    line(screen, "lookup 198.51.100.7:51514 203.0.113.10:80/tcp", "look", "Tab",
         "198.51.100.7:51514 203.0.113.10:80/tcp")
    screen.wait(r"service web -> 10\.0\.0\.11:80 \(maglev slot \d+, new flow\)",
                r"  out ext -> int, next hop 10\.0\.0\.11 at 02:00:0a:00:00:0b \(reachable\), "
                r"mtu 1500", "lb>")
    line(screen, "confirm", "confir", "Tab")
    screen.wait("lb> confirm", r"r2 .*", "lb>")
    assert appliance.show("revisions")[0]["comment"] == "web launch"
    assert lab.run("client", "curl", "-sS", f"http://{VIP}/").stdout == "b1\n"


def test_a_day_at_the_screen(screen, appliance, lab, web):
    """A monitor, resized and left with Ctrl-C; a drain seen in it; a server that dies while a line is
    typed; a paste."""
    launch(screen)
    line(screen, "commit", "commit")
    screen.wait(r"% backend web/10\.0\.0\.11:80 up", "lb>")
    line(screen, "monitor", "mon", "Tab")
    screen.see(r"^lb \S+  r2  up \S+  1/1 backends up ", r"^web 203\.0\.113\.10:80/tcp ",
               r"^  10\.0\.0\.11:80   enabled  up +100 ")
    screen.resize(10, 60)
    screen.see(r"^lb \S+  r2  up \S+  1/1 backends up ", r"^ +HEALTH +CPS +ACTIVE +PPS +BPS$")
    screen.resize(24, 110)
    curl = lab.start("client", "curl", "-sS", "-o", "/dev/null", f"http://{VIP}/?[1-20000]")
    screen.see(r"^RX \d+(\.\d)? k?pps ", r"^web 203\.0\.113\.10:80/tcp +[1-9]",
               r"^  10\.0\.0\.11:80   enabled  up +100 +[1-9]", r"path [1-9]\d?% busy")
    curl.kill()
    appliance.lb("drain backend web 10.0.0.11:80")
    screen.see(r"^  10\.0\.0\.11:80   drain ",
               rf"^{CLOCK} backend web/10\.0\.0\.11:80 drain by \S+ \(r3\)$")
    keys(screen, "C-c")
    screen.wait("lb> monitor", r"% backend web/10\.0\.0\.11:80 drain by \S+ \(r3\)", "lb>")
    line(screen, "enable backend web 10.0.0.11:80", "en", "Tab", "b", "Tab", "Tab", "Tab")
    screen.wait("r4 active.", "lb>")
    keys(screen, "show backend we")
    screen.wait("lb> show backend we")
    web["b1"].kill()
    screen.wait(r"% backend web/10\.0\.0\.11:80 down", "lb> show backend we")
    web["b1"].start()
    screen.wait(r"% backend web/10\.0\.0\.11:80 up", "lb> show backend we")
    keys(screen, "Tab", "Enter")
    screen.wait(r"lb> show backend web", r"POOL .*", r"web   10\.0\.0\.11 .*", "lb>")
    screen.paste("add backend web 10.0.0.12:80\nadd backend web 10.0.0.13:80\n")
    screen.press("Enter")
    screen.wait("r5 active.", r"% backend web/10\.0\.0\.1[23]:80 up",
                r"% backend web/10\.0\.0\.1[23]:80 up", "lb>")
    line(screen, "show backend web | match up | count", "sh", "Tab", "ba", "Tab",
         "web | match up | count")
    screen.wait("3", "lb>")
