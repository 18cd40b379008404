"""Long scripts: all or nothing, errors with their place, in seconds, with lbd ending half way."""
import random
import subprocess
import time

import pytest

from daemon import SMALL


def backend_lines(count, first=0):
    return [f"add backend web 10.{n >> 14}.{n >> 7 & 127}.{n & 127}:80 weight {n % 100 + 1}"
            for n in range(first, first + count)]


def test_a_wrong_line_500_of_1000(daemon):
    lines = ["add pool web"] + backend_lines(999)
    lines[499] = lines[499].rsplit(" ", 1)[0] + " 70000"
    said = daemon.lb(script="\n".join(lines) + "\n", status=2)
    column = lines[499].index("70000") + 1
    assert said.error.splitlines() == [
        f"<stdin>:500:{column}: error: weight 70000 is out of range 0-65535", lines[499],
        " " * (column - 1) + "^^^^^",
        "error: 1 of 1000 lines failed; nothing was applied (still at r0)"]
    assert daemon.config() == "" and daemon.revision == 0


def test_a_reference_that_is_wrong_in_line_500_of_1000(daemon):
    lines = ["add pool web"] + backend_lines(999)
    lines[499] = lines[499].replace("web", "wbe")
    said = daemon.lb(script="\n".join(lines) + "\n", status=1)
    assert '<stdin>:500:13: error: no pool "wbe". Did you mean "web"?' in said.error
    assert daemon.config() == ""


def test_what_is_wrong_as_a_whole_is_not_applied(daemon):
    lines = ["add pool web", *backend_lines(10), "add service web 203.0.113.10:80/tcp pool web",
             "add interface ext role frontend address 203.0.113.10/24"]
    said = daemon.lb(script="\n".join(lines) + "\n", status=1)
    assert "nothing was applied (still at r0)" in said.error
    assert daemon.config() == ""


def test_ten_thousand_lines_in_seconds(daemon, folder):
    lines = ["add pool web", *backend_lines(9999)]
    begin = time.monotonic()
    assert daemon.lb(script="\n".join(lines) + "\n").revision == 1
    (folder / "other").write_text("\n".join([lines[0], *lines[:4000:-1], "commit"]) + "\n")
    assert daemon.lb(f"load {folder / 'other'} replace").revision == 2
    assert daemon.lb("rollback 1").revision == 3
    assert time.monotonic() - begin < 20
    assert len(daemon.show("backend")) == 9999
    daemon.kill()
    assert len(daemon.start().show("backend")) == 9999


def test_a_script_that_is_cut_short_by_a_dead_pipe(daemon, folder):
    """`load ... replace` demands the final commit; half a file does nothing."""
    daemon.lb("add pool web")
    (folder / "half").write_text("\n".join(["add pool web", *backend_lines(100)]) + "\n")
    said = daemon.lb(f"load {folder / 'half'} replace", status=1)
    assert 'does not end with "commit"' in said.error and "nothing was applied" in said.error
    assert daemon.config() == "add pool web\n"


def test_more_errors_than_are_told_are_counted(daemon, folder):
    (folder / "wrong").write_text("\n".join(["add pool web"] + ["add pool no!"] * 50) + "\n")
    for command in (f"load {folder / 'wrong'} replace", f"load {folder / 'wrong'}"):
        said = daemon.lb(command, status=2)
        assert said.error.count('"no!"') == 20, said
        assert "more errors are not told" in said.error
        assert said.error.endswith("nothing was applied (still at r0)\n"), said
    assert daemon.config() == ""


@pytest.mark.parametrize("seed", range(4))
def test_sigterm_during_a_load_is_a_clean_end(make_daemon, folder, seed):
    daemon = make_daemon().start()
    daemon.lb(script=SMALL + "add pool web\n" + "\n".join(backend_lines(10)) + "\n")
    before = daemon.config()
    lines = ["add pool web", *backend_lines(8000), "commit"]
    (folder / "large").write_text("\n".join(lines) + "\n")
    lb = subprocess.Popen(daemon.lb_command(f"load {folder / 'large'} replace"), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(random.Random(seed).uniform(0, 0.3))
    daemon.stop()    # status 0, socket gone
    output, error = lb.communicate(timeout=20)
    assert lb.returncode in (0, 3), f"{lb.returncode}: {output}{error}"
    assert lb.returncode == 0 or error.startswith("error: ")
    daemon.start()
    assert daemon.revision == 2 or lb.returncode == 3
    if daemon.revision == 2:
        assert len(daemon.show("backend")) == 8000
    else:
        assert daemon.config() == before


def test_sigterm_while_a_command_waits(daemon):
    daemon.lb(script=SMALL + "add check c tcp port 80\nadd pool web check c\n"
                             "add backend web 10.0.0.1:80\n")
    lb = subprocess.Popen(daemon.lb_command("enable backend web 10.0.0.1:80 wait timeout 40"),
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert lb.stdout.readline() == "unchanged (r1).\n"
    daemon.stop()
    _, error = lb.communicate(timeout=10)
    assert lb.returncode == 3 and "lbd has ended the conversation" in error
