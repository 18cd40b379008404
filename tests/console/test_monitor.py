"""`monitor`: what is on the screen, which keys it takes, and that the terminal is given back."""
import json
import os
import re
import signal
import subprocess

import pytest

from appliance import PATIENCE, wait_for
from screen import Screen

CONFIG = """\
add interface ext role frontend address 198.51.100.1/24
add interface int role backend address 10.0.0.1/24
add pool web
add backend web 10.0.0.11:80 weight 100
add backend web 10.0.0.12:80 weight 100
add backend web 10.0.0.13:80 weight 0 admin drain
add pool dns
add backend dns 10.0.0.21:53
add service web 203.0.113.10:80/tcp pool web
add service dns 203.0.113.10:53/udp pool dns
"""
CLOCK = r"\d\d:\d\d:\d\d"
TITLE = (rf"^lb \S+  r1  up \d+s  3/4 backends up +{CLOCK}  0.2s"
         r"  \[q\]uit \[s\]ort \[/\]filter \[p\]ause$")
SCREEN = (
    TITLE,
    r"^RX 0 pps 0 b/s  TX 0 pps 0 b/s  flows 0/1.0M \(0%\)  drops 0/s  path \d+% busy$",
    r"^ +ADMIN +HEALTH +WEIGHT +CPS +ACTIVE +PPS +BPS$",
    r"^dns 203.0.113.10:53/udp +0 +0 +0 +0\n  10.0.0.21:53 +enabled +unknown +1 +0 +0 +0 +0$",
    r"^web 203.0.113.10:80/tcp +0 +0 +0 +0\n  10.0.0.11:80 +enabled +unknown +100 +0 +0 +0 +0$",
    r"^  10.0.0.13:80 +drain +unknown +0 +0 +0 +0 +0$",
    r"^DROPS/s  no_backend 0  no_service 0  ip_bad_checksum 0  flow_table_full 0$",
)


@pytest.fixture
def console(appliance):
    """A console in which somebody looks at a monitor."""
    appliance.lb("-q", script=CONFIG)
    screens = []

    def make(command="monitor interval 200ms", at_prompt=True, **keywords):
        arguments = () if at_prompt else ("-c", command)
        screens.append(Screen(appliance.command(*arguments), **keywords))
        screen = screens[-1]
        if at_prompt:
            screen.wait(r"lb 0\.1 on \S+, r1\. '\?' or 'help'\.", "lb>")
            screen.type(command)
            screen.press("Enter")
        return screen

    yield make
    for screen in screens:
        screen.close()


def given_back(screen):
    wait_for(lambda: screen.state() == (False, True), "the terminal as it was")


def test_it_takes_the_whole_screen_and_gives_it_back(console):
    screen = console()
    screen.see(*SCREEN)
    assert screen.state() == (True, False)
    screen.press("q")
    screen.wait(r"lb 0\.1 on .*", "lb> monitor interval 200ms", "lb>")
    assert screen.state() == (False, True)
    screen.type("show pool | count")
    screen.press("Enter")
    screen.wait("2", "lb>")


def test_ctrl_c_ends_it_and_nothing_else(console):
    screen = console()
    screen.see(TITLE)
    screen.press("C-c")
    screen.wait("lb> monitor interval 200ms", "lb>")
    given_back(screen)
    screen.type("show pool | count")
    screen.press("Enter")
    screen.wait("2", "lb>")


def test_a_command_alone_is_a_screen_too_and_ends_well(console):
    screen = console(at_prompt=False)
    screen.see(*SCREEN)
    screen.press("C-c")
    screen.wait("exit 0")
    given_back(screen)


def test_it_ends_by_itself_after_so_many(console):
    screen = console("monitor interval 200ms count 3", at_prompt=False)
    screen.wait("exit 0")
    given_back(screen)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("at_prompt", [True, False], ids=["prompt", "command"])
def test_the_terminal_is_given_back_when_lb_is_killed(console, number, at_prompt):
    screen = console(at_prompt=at_prompt)
    screen.see(TITLE)
    os.kill(screen.pid(), number)
    given_back(screen)
    if number != signal.SIGKILL:   # else the shell may be faster: what it says is gone
        screen.see(r"exit \d+$" if at_prompt else f"exit {128 + number}$")
    screen.type("echo abc")
    screen.see("echo abc")   # what is typed is seen again


def test_the_terminal_is_given_back_when_lbd_is_killed(console, appliance):
    screen = console()
    screen.see(TITLE)
    appliance.kill()
    screen.see("error: lbd has ended the conversation", "exit 3$")
    given_back(screen)
    appliance.start()


def test_the_terminal_is_given_back_when_lbd_ends(console, appliance):
    screen = console(at_prompt=False)
    screen.see(TITLE)
    appliance.stop()
    screen.see("error: lbd has ended the conversation", "exit 3$")
    given_back(screen)
    appliance.start()


def test_ctrl_z_gives_the_terminal_to_the_shell_and_takes_it_again(appliance):
    appliance.lb("-q", script=CONFIG)
    screen = Screen(["bash", "--norc", "-i"], environment=dict(PS1="$ "))
    try:
        screen.wait(r"\$")
        screen.type(" ".join(appliance.command()) + " -c 'monitor interval 200ms'")
        screen.press("Enter")
        screen.see(TITLE)
        screen.press("C-z")
        screen.see(r"Stopped ", r"^\$$")
        given_back(screen)
        screen.type("fg")
        screen.press("Enter")
        screen.see(*SCREEN)
        assert screen.state() == (True, False)
        screen.press("q")
        screen.wait(r"\$")
        given_back(screen)
    finally:
        screen.close()


def test_it_is_drawn_anew_when_the_window_changes(console):
    screen = console()
    screen.see(TITLE)
    screen.resize(24, 70)
    screen.see(r"^lb \S+  r1  up \d+s  3/4 backends up( +\S+:\d\d(  q s / p)?)?$",
               r"^ +ADMIN +HEALTH +CPS +ACTIVE +PPS +BPS$")
    assert max(map(len, screen.lines())) <= 70
    screen.resize(8, 100)
    screen.see(TITLE, r"^1-\d/6 +ADMIN")
    screen.resize(24, 100)
    screen.see(*SCREEN)


def test_keys_sort_filter_pause_and_scroll(console):
    screen = console()
    screen.see(TITLE)
    screen.press("s")
    screen.see(r"\[s\]ort:cps")
    screen.press("S", "S")
    screen.see(r"\[s\]ort:bps")
    screen.type("/10.0.0.13")
    screen.see(r"filter:10\.0\.0\.13 ", "^/10.0.0.13.$", "^web 203.*\n  10.0.0.13:80 .*\nDROPS/s")
    screen.press("Enter")
    screen.press("p")
    screen.see(r"\[p\]aused")
    stopped = re.search(CLOCK, screen.lines()[0])[0]
    screen.press("Escape")
    screen.see(r"filter \[p\]aused", *SCREEN[3:6])
    assert stopped in screen.lines()[0]
    screen.press("p")
    screen.see(r"\[p\]ause$")
    screen.resize(6, 100)
    screen.see(r"^1-2/6 +ADMIN.*\ndns ")
    screen.press("Down")
    screen.see(r"^2-3/6 +ADMIN.*\n  10.0.0.21:53")
    screen.press("NPage", "NPage", "NPage")
    screen.see(r"^5-6/6 +ADMIN.*\n.*\n  10.0.0.13:80")
    screen.press("Home")
    screen.see(r"^1-2/6 ")
    screen.press("q")
    given_back(screen)


def test_a_letter_while_filtering_is_a_letter(console):
    screen = console()
    screen.see(TITLE)
    screen.type("/qsp")
    screen.see('^nothing with "qsp"$')
    screen.press("BSpace", "BSpace", "BSpace")
    screen.see(*SCREEN[2:])
    screen.press("C-c")
    given_back(screen)


def test_part_of_it_is_looked_at(console):
    screen = console("monitor service dns interval 200ms")
    screen.see(TITLE, "^dns 203.*\n  10.0.0.21:53 .*\nDROPS/s")
    screen.press("q")
    screen.wait("lb>")
    screen.type("monitor pool web interval 200ms")
    screen.press("Enter")
    screen.see(TITLE, "^web 203.*\npool web .*\n  10.0.0.11:80")
    screen.press("q")
    screen.wait("lb>")
    screen.type("monitor drops interval 200ms")
    screen.press("Enter")
    screen.see(TITLE, "^REASON +DROPS/s +TOTAL\nno drops$")


def test_what_it_looks_at_may_go_away(console, appliance):
    screen = console("monitor service dns interval 200ms")
    screen.see(TITLE)
    appliance.lb("-q", "-c", "del service dns")
    screen.see('^error: no service "dns"$', r"^lb>$")
    given_back(screen)


def test_events_are_on_the_screen_and_at_the_prompt_behind_it(console, appliance):
    screen = console()
    screen.see(TITLE)
    appliance.lb("-q", "-c", "add interface nosuch role frontend address 192.0.2.1/24")
    screen.see(rf"^{CLOCK} interface nosuch: missing$")
    screen.press("q")
    screen.wait("lb> monitor .*", "% r2 by root: 1 object changed",
                "% interface nosuch: missing", "lb>")


def test_letters_and_colours_are_those_that_are_wanted(console, appliance):
    appliance.lb("-q", "-c", "add check hc tcp", "-c", "set pool web check hc")
    odd, bad = "\x1b[33m", "\x1b[31m"
    screen = console("monitor interval 200ms", at_prompt=False)
    screen.see("10.0.0.11:80 +enabled +down")
    assert odd in screen.coloured() and bad in screen.coloured()
    plain = console("monitor interval 200ms", at_prompt=False,
                    environment=dict(NO_COLOR="1", LC_ALL="C"))
    plain.see("10.0.0.11:80 +enabled +down")
    plain.press("/")
    plain.see("^/_$")
    assert odd not in plain.coloured() and bad not in plain.coloured()
    assert "\n".join(plain.lines()).isascii()


def test_a_terminal_that_cannot_be_drawn_on_gets_rows(console):
    screen = console("monitor interval 100ms count 2", at_prompt=False,
                     environment=dict(TERM="dumb"))
    screen.wait(r"TIME +RX/s .*", rf"{CLOCK} +0 .*", rf"{CLOCK} +0 .*", "exit 0")


def test_rows_come_as_they_are_made(appliance):
    appliance.lb("-q", script=CONFIG)
    lb = subprocess.Popen(appliance.command("-c", "monitor interval 100ms"), text=True,
                          stdout=subprocess.PIPE)
    assert lb.stdout.readline() == (
        "TIME          RX/s       RX-b/s      TX/s       TX-b/s  FLOWS/s    FLOWS  DROPS/s  BUSY%"
        "    UP    OF\n")
    for _ in range(3):
        row = lb.stdout.readline().split()
        assert re.fullmatch(CLOCK, row[0]) and row[1:8] == ["0"] * 7 and row[9:] == ["3", "4"]
    lb.send_signal(signal.SIGINT)
    assert lb.wait(PATIENCE) == -signal.SIGINT
    lb.stdout.close()


def test_json_is_a_document_an_interval(appliance):
    appliance.lb("-q", script=CONFIG)
    lines = appliance.lb("-j", "-c", "monitor interval 200ms count 2").splitlines()
    assert len(lines) == 2
    for line in lines:
        document = json.loads(line)
        assert list(document) == ["schema", "monitor"]
        monitor = document["monitor"]
        assert list(monitor) == ["appliance", "service", "backend", "drops", "events"]
        assert 190e6 < monitor["appliance"]["interval"] < 2e9
        assert [row["name"] for row in monitor["service"]] == ["dns", "web"]
        assert len(monitor["backend"]) == 4
        assert all(row["dropped_per_second"] == 0 for row in monitor["drops"])


def test_a_reader_that_stands_still_finds_what_is_new(appliance):
    """Its rows are not piled up for it in lbd."""
    lb = subprocess.Popen(appliance.command("-c", "monitor interval 100ms count 3"), text=True,
                          stdout=subprocess.PIPE)
    lb.stdout.readline()
    lb.send_signal(signal.SIGSTOP)
    assert appliance.lb("-c", "show pool | count") == "0\n"
    lb.send_signal(signal.SIGCONT)
    assert len(lb.stdout.read().splitlines()) == 3
    assert lb.wait(PATIENCE) == 0
    lb.stdout.close()
