"""A candidate at the keyboard: its prompt, a paste into it, leaving it, two people with one each;
and commits that are taken back."""
import pytest

from screen import Screen, consoles, enter

CONFIG = """\
add pool web
add backend web 10.0.0.11:80
add backend web 10.0.0.12:80
"""


@pytest.fixture
def console(appliance):
    """Opens a console, up to its first prompt."""
    appliance.lb("-q", script=CONFIG)
    yield from consoles(appliance)


def configure(screen):
    """What is typed before the prompt is there is echoed above it."""
    enter(screen, "configure")
    screen.wait("lb> configure", r"lb\*>")


def test_the_prompt_tells_that_a_candidate_is_open(console, appliance):
    screen = console()
    enter(screen, "configu")
    screen.wait("lb> configu", r"lb\*>")
    enter(screen, "set ba web 10.0.0.11:80 weight 7")
    enter(screen, "compare")
    screen.wait("- add backend web 10.0.0.11:80", r"\+ add backend web 10.0.0.11:80 weight 7",
                "pool web: 37.5 % of its Maglev table moves.", r"lb\*>")
    assert appliance.lb("-c", "show config | match weight") == ""
    enter(screen, 'commit comment "heavier"')
    screen.wait("r2 active.", "lb>")
    configure(screen)
    enter(screen, "del backend web 10.0.0.12:80")
    enter(screen, "discard")
    screen.wait(r"lb\*> discard", "lb>")


def test_tab_knows_what_is_only_in_the_candidate(console):
    screen = console()
    configure(screen)
    enter(screen, "add pool brandnew")
    screen.wait(r"lb\*> add pool brandnew", r"lb\*>")
    screen.type("add backend br")
    screen.press("Tab")
    screen.wait(r"lb\*> add backend brandnew")


def test_leaving_an_open_candidate_warns_once(console, appliance):
    for leave in (lambda screen: enter(screen, "quit"), lambda screen: screen.press("C-d")):
        screen = console()
        configure(screen)
        enter(screen, "add pool lost")
        screen.wait(r"lb\*> add pool lost", r"lb\*>")
        leave(screen)
        screen.wait("warning: the candidate has 1 line that nobody has committed; leave again and "
                    "it is lost", r"lb\*>")
        leave(screen)
        screen.wait(".*", "exit 0")
    assert appliance.lb("-c", "show config") == CONFIG


def test_a_candidate_without_lines_is_left_without_a_word(console):
    screen = console()
    configure(screen)
    enter(screen, "quit")
    screen.wait(r"lb\*> quit", "exit 0")


def test_ctrl_c_leaves_the_candidate_alone(console):
    screen = console()
    configure(screen)
    enter(screen, "add pool kept")
    screen.wait(r"lb\*> add pool kept", r"lb\*>")
    screen.type("del pool kep")
    screen.wait(r"lb\*> del pool kep")
    screen.press("C-c")
    screen.wait(r"lb\*> del pool kep\^C", r"lb\*>")
    enter(screen, "commit")
    screen.wait("r2 active.", "lb>")


def test_a_paste_with_configure_and_commit_is_one_change(console):
    screen = console()
    screen.paste("configure\nadd pool a\nadd pool b\n")
    screen.press("Enter")
    screen.wait(r"lb\*>")
    screen.paste("add pool c\ncommit comment pasted\nshow config | count\n")
    screen.press("Enter")
    screen.wait("r2 active.", "6", "lb>")


def test_two_people_see_what_they_do_to_each_other(console, appliance):
    alice, bob = console(), console()
    configure(alice)
    enter(alice, "set backend web 10.0.0.11:80 weight 7")
    alice.wait(r"lb\*> set .*", r"lb\*>")
    configure(bob)
    enter(bob, "set backend web 10.0.0.11:80 weight 9")
    enter(bob, "set backend web 10.0.0.12:80 weight 2")
    enter(bob, "commit")
    bob.wait("r2 active.", "lb>")
    enter(bob, "drain backend web 10.0.0.12:80")
    bob.wait("r3 active.", "lb>")
    enter(alice, "commit")
    alice.wait("<candidate>:1:37: error: conflict: weight is 9 since r2 by root, it was 1",
               "set backend web 10.0.0.11:80 weight 7", r" {36}\^",
               "error: 1 line conflicts; nothing was applied .still at r3.",
               "Type a line again to have it anyway, or drop it with `discard N`.", r"lb\*>")
    enter(alice, "set backend web 10.0.0.11:80 weight 7")
    enter(alice, "commit")
    alice.wait("r4 active.", "lb>")
    assert appliance.lb("-c", "show config") == (
        "add pool web\nadd backend web 10.0.0.11:80 weight 7\n"
        "add backend web 10.0.0.12:80 weight 2 admin drain\n")


def test_a_console_that_dies_loses_its_candidate_and_nothing_else(console, appliance):
    screen = console()
    configure(screen)
    enter(screen, "add pool lost")
    screen.wait(r"lb\*> add pool lost", r"lb\*>")
    screen.close()
    assert appliance.lb("-c", "show config") == CONFIG
    screen.close = lambda: None


CLOCK = r"\d\d:\d\d:\d\d"


def test_commit_confirmed_is_told_to_everybody_and_taken_back(console, appliance):
    alice, bob = console(), console()
    configure(alice)
    enter(alice, "set backend web 10.0.0.11:80 weight 7")
    enter(alice, "commit confirmed 11s comment heavier")
    alice.wait(f"r2 active. Reverts to r1 at {CLOCK} unless you type 'confirm'.", "lb>")
    bob.wait("lb>|% r2 by root: 1 object changed, heavier",
             f"% r2 by root reverts to r1 at {CLOCK} unless you type 'confirm'", "lb>")
    enter(bob, "show status | match confirm")
    bob.wait(f"r2 by root reverts to r1 at {CLOCK} unless you type 'confirm'.", "lb>")
    alice.type("show po")
    alice.wait("% r2 by root reverts to r1 in 10 s unless you type 'confirm'", "lb> show po")
    carol = Screen(appliance.command())
    try:
        carol.wait(f"% r2 by root reverts to r1 at {CLOCK} unless you type 'confirm'", "lb>")
    finally:
        carol.close()
    for screen in (alice, bob):
        screen.wait(r"% r2 by root was not confirmed: back to r1 \(now r3\)", "lb>.*", patience=15)
    assert appliance.lb("-c", "show config") == CONFIG
    assert "r2 was not confirmed: back to r1" in appliance.lb("-c", "show revisions")
    assert "r2 by root was not confirmed: back to r1 (now r3)" in appliance.lb("-c", "show events")


def test_confirm_ends_the_waiting(console, appliance):
    alice, bob = console(), console()
    configure(alice)
    enter(alice, "add pool api")
    enter(alice, "commit confirmed 5")
    alice.wait(r"r2 active\. Reverts .*", "lb>")
    enter(bob, "drain backend web 10.0.0.11:80")
    bob.wait(f"r3 active. r2 by root still reverts to r1 at {CLOCK} unless you type 'confirm'.",
             "lb>")
    alice.wait("% backend web/10.0.0.11:80 drain by root .r3.", "lb>")
    enter(alice, "confirm")
    alice.wait("r2 confirmed.", "lb>")
    bob.wait("% r2 by root is confirmed by root", "lb>")
    assert "confirm" not in appliance.lb("-c", "show status | match confirm")
