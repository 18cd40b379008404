"""lb at the keyboard: what a person types, and what is on the screen then."""
import re
import stat
import subprocess
from pathlib import Path

import pytest

from screen import Screen, consoles, enter

CONFIG = """\
add pool dns
add pool web
add backend dns 10.0.0.21:53
add backend web 10.0.0.11:80
add backend web 10.0.0.12:80
"""


@pytest.fixture
def console(appliance):
    """Opens a console, up to its first prompt."""
    appliance.lb("-q", script=CONFIG)
    yield from consoles(appliance)


def test_commands_are_run_and_answered(console):
    screen = console()
    enter(screen, "show config | match pool")
    screen.wait("lb> show config .*", "add pool dns", "add pool web", "lb>")
    enter(screen, "add backend wbe 10.0.0.11:80")
    screen.wait('error: no pool "wbe". Did you mean "web"[?]', "lb>")
    enter(screen, "set pool web affinity source-ip")
    screen.wait("r2 active.", "lb>")
    enter(screen, "quit")
    screen.wait("lb> quit", "exit 0")


def test_unique_prefixes_will_do_and_ambiguous_ones_are_named(console):
    screen = console()
    enter(screen, "sh conf | m dns")
    screen.wait("add pool dns", "add backend dns 10.0.0.21:53", "lb>")
    enter(screen, "sh s")
    screen.wait('error: ambiguous "sh s": show status, show service, show stats', "lb>")


def test_tab_completes_keywords_and_live_names(console):
    screen = console()
    screen.type("dr")
    screen.press("Tab")
    screen.wait("lb> drain")
    screen.press("Tab")
    screen.wait("lb> drain backend")
    screen.type("d")
    screen.press("Tab")
    screen.wait("lb> drain backend dns")
    screen.press("Tab")
    screen.wait("lb> drain backend dns 10.0.0.21:53")
    screen.press("C-u")
    screen.type("del backend web ")
    screen.press("Tab", "Tab")
    screen.wait(r"10\.0\.0\.11:80\s+10\.0\.0\.12:80", r"lb> del backend web 10\.0\.0\.1")


def test_tab_completes_files_where_a_file_is_meant(console, tmp_path):
    (tmp_path / "a-script.lb").write_text("add pool loaded\n")
    screen = console()
    screen.type(f"load {tmp_path}/a-")
    screen.press("Tab")
    screen.wait(re.escape(f"lb> load {tmp_path}/a-script.lb"))
    screen.press("Enter")
    screen.wait("r2 active.", "lb>")
    screen.type("show pool ")
    screen.type("a-")
    screen.press("Tab")
    screen.wait("lb> show pool a-")


def test_question_mark_lists_what_may_come_and_keeps_the_line(console):
    screen = console()
    screen.type("drain backend ?")
    screen.wait("lb> drain backend", "  POOL  pool that it is in", "  dns", "  web",
                "lb> drain backend")
    screen.type("web 10.0.0.11:80 ?")
    screen.wait("  timeout  close the flows that are left after this time",
                "  wait     return when no flow is left", "  <cr>     do it",
                "lb> drain backend web 10.0.0.11:80")
    screen.press("C-u")
    screen.type("shwo ?")
    screen.wait('error: no command "shwo". Did you mean "show"[?]', "lb> shwo")


def test_question_mark_is_a_character_within_quotes(console):
    screen = console()
    enter(screen, 'show config | match "webs? 10"')
    screen.wait('lb> show config .*', "add backend web 10.0.0.11:80",
                "add backend web 10.0.0.12:80", "lb>")


def test_question_mark_works_in_vi_mode(console, tmp_path):
    (tmp_path / "inputrc").write_text("set editing-mode vi\n")
    screen = console(environment=dict(INPUTRC=str(tmp_path / "inputrc")))
    screen.type("del ?")
    screen.wait("  service .*", "lb> del")


def test_ctrl_c_clears_the_line(console):
    screen = console()
    screen.type("del pool web")
    screen.wait("lb> del pool web")   # a terminal drops what has not been read at Ctrl-C
    screen.press("C-c")
    screen.wait(r"lb> del pool web\^C", "lb>")
    enter(screen, "show config | count")
    screen.wait("5", "lb>")


def test_ctrl_c_stops_what_is_waited_for(console, appliance):
    screen = console()
    enter(screen, "add check hc tcp")
    enter(screen, "set pool web check hc")
    screen.wait("r3 active.", "lb>")
    enter(screen, "enable backend web 10.0.0.11:80 wait")
    screen.wait("unchanged .r3..")
    screen.press("C-c")
    screen.wait(r"(\^C)?error: interrupted; what was changed stays", "lb>")
    enter(screen, "show config | count")
    screen.wait("6", "lb>")


def test_ctrl_d_leaves(console):
    screen = console()
    screen.press("C-d")
    screen.wait("lb>", "exit 0")


def test_a_paste_of_many_lines_is_one_transaction(console, appliance):
    screen = console()
    screen.paste("add pool a\nadd pool b\nadd backend nowhere 10.0.0.1:80\n")
    screen.press("Enter")
    screen.wait('<paste>:3:13: error: no pool "nowhere"', "add backend nowhere 10.0.0.1:80",
                r" {12}\^{7}", "error: 1 of 3 lines failed; nothing was applied .still at r1.",
                "lb>")
    screen.paste("add pool a\nadd pool b\nset pool a affinity source-ip\n")
    screen.press("Enter")
    screen.wait("r2 active.", "lb>")
    assert appliance.lb("-c", "show config | match 'pool [ab]'") == \
        "add pool a affinity source-ip\nadd pool b\n"


def test_events_appear_above_the_line_that_is_typed(console, appliance):
    screen = console()
    screen.type("show conf")
    screen.wait("lb> show conf")
    appliance.lb("-q", "-c", "add interface nosuch role frontend address 192.0.2.1/24")
    screen.wait("% interface nosuch: missing", "lb> show conf")
    screen.type("ig | count")
    screen.press("Enter")
    screen.wait("lb> show config . count", "6", "lb>")


def test_what_one_operator_does_the_others_are_told(console):
    alice, bob = console(), console()
    enter(alice, "drain backend web 10.0.0.11:80")
    bob.wait(r"% backend web/10\.0\.0\.11:80 drain by \S+ \(r2\)", "lb>")
    enter(bob, "enable backend web 10.0.0.11:80")
    bob.wait("lb> enable .*", "r3 active.", "lb>")
    alice.wait("lb> drain .*", "r2 active.",
               r"% backend web/10\.0\.0\.11:80 enabled by \S+ \(r3\)", "lb>")


def test_history_is_kept_for_the_next_session(console):
    screen = console()
    enter(screen, "show pool | count")
    screen.wait("2", "lb>")
    enter(screen, "history")
    screen.wait("    1  show pool . count", "    2  history", "lb>")
    file = Path(screen.folder) / ".lb_history"
    assert file.read_text() == "show pool | count\nhistory\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    screen.press("C-d")
    screen.wait("lb>", "exit 0")
    again = console(environment=dict(HOME=screen.folder))
    again.press("Up", "Up")
    again.wait("lb> show pool . count")


def test_scripts_leave_no_history(appliance, tmp_path):
    subprocess.run(appliance.command("-c", "show pool"), env={"HOME": str(tmp_path)}, check=True,
                   capture_output=True)
    assert not list(tmp_path.iterdir())


def test_what_is_longer_than_the_screen_goes_through_a_pager(console):
    pager = dict(PAGER="sed 's/^/| /'")
    screen = console(rows=10, environment=pager)
    enter(screen, "show config")
    screen.wait("add pool dns", "add pool web", "add backend dns .*", "add backend web .*",
                "add backend web .*", "lb>")
    enter(screen, "help")
    screen.wait("[|]   quit .*", "lb>")
    enter(screen, "show stats | no-more")
    screen.wait("CLOSED cleared +0", "lb>")
    enter(screen, "terminal length 0")
    enter(screen, "help")
    screen.wait("  quit .*", "lb>")
    enter(screen, "terminal length 3")
    enter(screen, "show config")
    screen.wait("[|] add backend web 10.0.0.12:80", "lb>")


def test_a_console_whose_lbd_dies_says_so(console, appliance):
    screen = console()
    screen.type("show po")
    screen.wait("lb> show po")
    appliance.kill()
    screen.wait("% lbd has ended", "lb> show po", "exit 3")
    appliance.start()


def test_a_script_on_stdin_is_read_plainly_though_stdout_is_a_terminal(console, appliance):
    screen = Screen(["sh", "-c", "echo 'show config | count' | \"$@\"", "sh", *appliance.command()])
    try:
        screen.wait("5", "exit 0")
    finally:
        screen.close()
