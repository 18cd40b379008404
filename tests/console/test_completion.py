"""Tab in bash, before lb is even started: what lbd would complete at its own prompt."""
import subprocess

import pytest

from appliance import LB, PATIENCE, ROOT, Appliance
from screen import Screen

CONFIG = """\
add interface ext role frontend address 198.51.100.1/24
add pool web
add backend web 10.0.0.11:80
add backend web 10.0.0.12:80
add pool dns
"""


@pytest.fixture
def bash(appliance, tmp_path):
    """A shell that has the completion, and an lb that finds its lbd."""
    appliance.lb("-q", script=CONFIG)
    program = tmp_path / "lb"
    program.write_text(f'#!/bin/sh\nexec {LB} --socket {appliance.socket} "$@"\n')
    program.chmod(0o755)
    (tmp_path / "rc").write_text(f"PS1='$ '; PATH={tmp_path}:$PATH; cd {tmp_path}\n"
                                 f". {ROOT}/cli/lb/completion.bash\n")
    screen = Screen(["bash", "--noprofile", "--rcfile", str(tmp_path / "rc"), "-i"])
    screen.wait(r"\$")
    yield screen
    screen.close()


def complete(screen, text, *expected, tabs=1):
    screen.press("C-u")
    screen.type(text)
    screen.press(*["Tab"] * tabs)
    screen.wait(*expected)


def test_a_quoted_command_is_completed_word_by_word(bash):
    complete(bash, 'lb -c "sh', r'\$ lb -c "show')
    bash.type("ba")
    bash.press("Tab")
    bash.wait(r'\$ lb -c "show backend"')
    # Only one pool has backends.
    complete(bash, "lb -c 'dra", r"\$ lb -c 'drain backend web 10.0.0.1")
    bash.press("Tab", "Tab")
    bash.see(r"^drain backend web 10.0.0.11:80 +drain backend web 10.0.0.12:80$")
    bash.type("2")
    bash.press("Tab")
    bash.wait(r"\$ lb -c 'drain backend web 10.0.0.12:80'")


def test_a_quote_stays_open_where_a_name_is_to_come(bash):
    complete(bash, 'lb -c "add po', r'\$ lb -c "add pool')
    bash.type("new")
    bash.wait(r'\$ lb -c "add pool new')


def test_without_quotes_blanks_get_a_backslash(bash):
    complete(bash, "lb -c mon", r"\$ lb -c monitor")
    complete(bash, r"lb -c show\ po", r"\$ lb -c show\\ pool")


def test_options_and_files_are_completed(bash, tmp_path):
    (tmp_path / "my-script.lb").write_text("add pool x\n")
    complete(bash, "lb --kee", r"\$ lb --keep-going")
    complete(bash, "lb -f my", r"\$ lb -f my-script.lb")
    complete(bash, 'lb -c "load my', r'\$ lb -c "load my-script.lb"')
    complete(bash, 'lb --each -c "load my', r'\$ lb --each -c "load my-script.lb"')


def test_another_socket_is_asked_where_it_is_named(bash):
    other = Appliance()
    try:
        other.start().lb("-q", "-c", "add pool elsewhere")
        for option in (f"--socket {other.socket}", f"--socket={other.socket}"):
            complete(bash, f'lb {option} -c "show pool e',
                     rf'\$ lb {option} -c "show pool elsewhere"')
        other.stop()
    finally:
        other.remove()


def test_nothing_is_said_where_there_is_nobody_to_ask(bash, appliance):
    appliance.stop()
    complete(bash, 'lb -c "sh', r'\$ lb -c "sh')
    appliance.start()


def test_the_lines_are_those_of_the_prompt(appliance):
    def lines(text):
        return subprocess.run(appliance.command("--complete", text), capture_output=True, text=True,
                              timeout=PATIENCE, check=True).stdout.splitlines()

    appliance.lb("-q", script=CONFIG)
    assert lines("show s") == ["show status", "show service", "show stats"]
    assert lines("show ver") == ["show version"]
    assert lines("show version") == ["show version"]
    assert lines("show pool web | m") == ["show pool web | match ", "show pool web | match ..."]
    assert lines("del pool ") == ["del pool dns", "del pool web"]
    assert lines("frobnicate ") == []
    assert lines("add interface new role ") == [
        "add interface new role frontend", "add interface new role backend",
        "add interface new role both"]
