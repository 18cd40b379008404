"""A terminal that a test can type at, and read as a person sees it (tmux)."""
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

from appliance import PATIENCE, wait_for


class Screen:
    def __init__(self, command, rows=24, columns=100, environment=None):
        self.folder = tempfile.mkdtemp(prefix="lb")
        variables = dict(HOME=self.folder, PAGER="", INPUTRC="/dev/null", LC_ALL="C.UTF-8",
                         TZ="UTC")
        # A hang-up is followed by SIGCONT, which undoes the SIGSTOP by which LeakSanitizer attaches
        # at exit: it would spin for ever.
        variables["ASAN_OPTIONS"] = "detect_leaks=0"
        variables.update(environment or {})
        shell = " ".join(f"{key}={shlex.quote(value)}" for key, value in variables.items())
        # The status of the command stays on the screen when it has ended.
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                  f"{shell} {shlex.join(command)}; echo exit $?; sleep {10 * PATIENCE}")

    def tmux(self, *arguments):
        environment = {key: value for key, value in os.environ.items() if key != "TMUX"}
        done = subprocess.run(["tmux", "-S", f"{self.folder}/tmux", *arguments], check=True,
                              env=environment, capture_output=True, timeout=PATIENCE)
        return done.stdout.decode()

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def press(self, *keys):
        """Names of keys as tmux has them: Enter, Tab, C-c."""
        self.tmux("send-keys", *keys)

    def paste(self, text):
        """As a terminal pastes: in brackets, where the program has asked for them."""
        self.tmux("set-buffer", text)
        self.tmux("paste-buffer", "-p")

    def resize(self, rows, columns):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def state(self):
        """(whole screen taken, cursor shown)"""
        flags = self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").split()
        return tuple(flag == "1" for flag in flags)

    def pid(self):
        """Of the command."""
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(children[0])

    def coloured(self):
        return self.tmux("capture-pane", "-p", "-e")

    def see(self, *expected):
        """Until each, a regular expression, is found in the text on the screen."""
        seen = []

        def there():
            seen[:] = ["\n".join(self.lines())]
            return all(re.search(text, seen[0], re.M) for text in expected)

        try:
            wait_for(there, "the screen")
        except AssertionError:
            told = ["expected", *expected, "--- screen", *seen]
            raise AssertionError("\n".join(told)) from None

    def lines(self):
        return [line.rstrip() for line in self.tmux("capture-pane", "-p").rstrip().splitlines()]

    def wait(self, *expected, patience=PATIENCE):
        """Until the last lines are these; each a regular expression for a whole line."""
        seen = []

        def there():
            seen[:] = self.lines()
            last = seen[-len(expected):]
            return len(last) == len(expected) and all(map(re.fullmatch, expected, last))

        try:
            wait_for(there, "the screen", patience)
        except AssertionError:
            told = ["expected last", *expected, "--- screen", *seen]
            raise AssertionError("\n".join(told)) from None

    def close(self):
        try:
            self.tmux("kill-server")
        finally:
            subprocess.run(["rm", "-rf", self.folder], check=True)


def enter(screen, text):
    screen.type(text)
    screen.press("Enter")


def consoles(appliance):
    """For fixtures: what opens consoles of an appliance at r1, up to their first prompt."""
    screens = []

    def make(**keywords):
        screens.append(Screen(appliance.command(), **keywords))
        screens[-1].wait(r"lb 0\.1 on \S+, r1\. '\?' or 'help'\.", "lb>")
        return screens[-1]

    yield make
    for screen in screens:
        screen.close()
