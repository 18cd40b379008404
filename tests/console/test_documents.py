"""Every command of the README and of the pages beside it, typed into a real lbd."""
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "appliance/operating.md"]


def commands(document):
    blocks = re.findall(r"^```lb\n(.*?)^```$", (ROOT / document).read_text(), re.M | re.S)
    return "".join(blocks)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_of_the_page_works(appliance, document):
    script = commands(document)
    assert script, f"{document} has no commands"
    appliance.lb("--each", script=script)


@pytest.mark.parametrize("document", [*DOCUMENTS, "appliance/carrying-on.md"])
def test_every_file_that_a_page_names_is_there(document):
    text = (ROOT / document).read_text()
    named = set(re.findall(r"\]\(([^)#:]+)\)", text))
    named |= {name for name in re.findall(r"`((?:tests|scripts|appliance|cli|ring|store)/[\w./-]+)`", text)}
    for name in named:
        beside = (ROOT / document).parent / name
        assert beside.exists() or (ROOT / name).exists(), f"{document} names {name}"


def test_the_readmes_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make (\w+)", (ROOT / "README.md").read_text(), re.M):
        assert re.search(rf"^{target}\b.*:", makefile, re.M), target
