"""Golden transcripts: transcripts/*.t are sessions at a shell, and must read the same every time.

A line `$ COMMAND` is run by bash in a folder of its own, with `lb` speaking to a fresh lbd; what
follows up to the next one is what it prints, stderr included, and `[N]` is its exit status where
that is not 0. Lines `> MORE` go on with the command. A line that ends in ` (re)` is a regular
expression. `#` at the start of a line is a remark. To see what changed:  LB_TRANSCRIPTS=write
"""
import os
import re
import subprocess
from pathlib import Path

import pytest

from appliance import BUILD

FOLDER = Path(__file__).parent / "transcripts"


def parse(text):
    """[(remarks and commands as written, shell text, expected lines)]"""
    steps, head = [], []
    for line in text.splitlines():
        if line.startswith("#") or not line and not (steps and not head):
            head.append(line)
        elif line.startswith("$ "):
            steps.append((head + [line], [line[2:]], []))
            head = []
        elif (line.startswith("> ") or line == ">") and not steps[-1][2]:
            steps[-1][0].append(line)
            steps[-1][1].append(line[2:])
        else:
            steps[-1][2].append(line)
    return steps


def matches(expected, actual):
    if expected.endswith(" (re)"):
        return re.fullmatch(expected[:-len(" (re)")], actual)
    return expected == actual


def run(shell, appliance, folder):
    environment = dict(os.environ, PATH=f"{folder}/bin:{os.environ['PATH']}", TZ="UTC",
                       LC_ALL="C.UTF-8", SOCKET=str(appliance.socket), BUILD=str(BUILD))
    done = subprocess.run(["bash", "-c", shell], cwd=folder, env=environment, timeout=30,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    text = done.stdout.decode()
    lines = text.splitlines()
    if text and not text.endswith("\n"):
        lines[-1] += "(no newline)"
    return lines + ([f"[{done.returncode}]"] if done.returncode else [])


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.t")), ids=lambda file: file.stem)
def test_a_session_reads_as_written(file, appliance, tmp_path):
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/lb"
    program.write_text(f'#!/bin/sh\nexec {BUILD}/lb --socket "$SOCKET" "$@"\n')
    program.chmod(0o755)
    differences, written = [], []
    for head, shell, expected in parse(file.read_text()):
        actual = run("\n".join(shell), appliance, tmp_path)
        same = len(actual) == len(expected) and all(map(matches, expected, actual))
        if not same:
            differences.append("\n".join([*head, "--- expected", *expected, "--- actual", *actual]))
        written += [*head, *(expected if same else actual)]
    if os.environ.get("LB_TRANSCRIPTS") == "write":
        file.write_text("\n".join(written) + "\n")
    assert not differences, "\n\n".join(differences)
