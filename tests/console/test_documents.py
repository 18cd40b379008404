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


@pytest.mark.parametrize("document",
                         [*DOCUMENTS, "appliance/carrying-on.md", "tests/README.md"])
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


def table_of_tests():
    """(suite, file, test) of every row of the tables in the tests' README."""
    suites = "|".join(path.name for path in (ROOT / "tests").iterdir() if path.is_dir())
    rows = re.findall(rf"^\|[^|]*\| ({suites}) \|([^|]*)\|$",
                      (ROOT / "tests/README.md").read_text(), re.M)
    return [(suite, *name.split("::")) for suite, names in rows
            for name in re.findall(r"`(\w+::\w+)`", names)]


def test_every_test_in_the_table_of_the_tests_exists():
    table = table_of_tests()
    assert len(table) > 100
    missing = []
    for suite, file, name in table:
        unit = ROOT / f"tests/{suite}/test_{file}.c"
        source = unit if suite == "unit" else ROOT / f"tests/{suite}/test_{file}.py"
        text = source.read_text() if source.exists() else ""
        # A function of a unit test counts where it is also called from main().
        found = len(re.findall(rf"\b{name}\b", text)) > 1 if suite == "unit" else \
            f"def test_{name}(" in text
        missing += [] if found else [f"{source.relative_to(ROOT)}: {name}"]
    assert not missing, "\n".join(missing)


def test_every_row_of_the_tables_of_the_tests_names_a_test():
    text = (ROOT / "tests/README.md").read_text()
    for table in re.findall(r"^\|.*\| suite \| tests \|\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.M):
        for row in table.splitlines():
            assert re.search(r"`\w+::\w+`", row), row
