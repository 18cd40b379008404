"""The manuals against the programs: every command, setting, key, option and status is in them."""
import json
import re
import subprocess

import pytest

from appliance import LB, LBD, ROOT

LB_PAGE = (ROOT / "cli/lb.8").read_text()
LBD_PAGE = (ROOT / "appliance/lbd.8").read_text()

# One of each kind, so that every document has a row of each sort.
CONFIG = """\
add interface ext role frontend address 203.0.113.1/24
add interface int role backend address 10.0.0.1/24
add route 0.0.0.0/0 via 203.0.113.254
add neighbor 10.0.0.11 mac 02:00:00:00:00:11 interface int
add check hc tcp
add pool web check hc
add backend web 10.0.0.11:80
add service web 203.0.113.10:80/tcp pool web
"""


def items(page):
    """What each .It line says, without its macros: "drain backend pool a:port [timeout s]"."""
    lines = re.findall(r"^\.It (.*)$", page, re.M)
    return [" ".join(word for word in re.sub(r"[\\|,&]", " ", line).split()
                     if word not in ("Cm", "Ar", "Op", "Oo", "Oc", "Bro", "Brc", "Ns", "Fl", "Li"))
            for line in lines]


def section(page, name):
    return re.search(rf"^\.Sh {name}\n(.*?)(?=^\.Sh )", page, re.M | re.S).group(1)


def words_of(text):
    return set(re.findall(r"\w[\w-]*", text))


def help_lines(appliance, *prefix):
    return appliance.lb("-c", " ".join(["help", *prefix])).splitlines()


def help_words(appliance, *prefix):
    """The words that `help` lists behind a prefix; none where that is a whole command."""
    lines = help_lines(appliance, *prefix)
    return [line.split()[0] for line in lines] if lines[0].startswith("  ") else []


@pytest.fixture
def commands(appliance):
    """Every command, as its words, and the names of its settings."""
    verbs = help_words(appliance)
    whole = [[verb, *words] for verb in verbs
             for words in [[word] for word in help_words(appliance, verb)] or [[]]]
    return {" ".join(words): [line.split()[0] for line in help_lines(appliance, *words)[2:]
                              if re.match(r"  [a-z]", line)] for words in whole}


def test_every_command_and_setting_is_in_lb_8(commands):
    described = items(LB_PAGE)
    page = words_of(section(LB_PAGE, "COMMANDS"))
    assert len(commands) > 40
    for command, settings in commands.items():
        wanted = re.sub(r"^no ", "del ", command)
        assert any(item == wanted or item.startswith(wanted + " ") for item in described), command
        for setting in settings:
            assert setting in page, f"{command} {setting}"


def test_every_command_in_lb_8_is_one(commands):
    known = {command.split()[0] for command in commands}
    body = section(LB_PAGE, "COMMANDS")
    filters = {"match", "except", "count", "json", "no-more"}
    keys = {"Ic"}   # at the screen of a monitor
    for item in items(body):
        assert item.split()[0] in known | filters | keys, item


def keys_of(value):
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def test_every_key_of_a_document_is_in_lb_8(appliance):
    appliance.lb("-q", script=CONFIG)
    described = words_of(section(LB_PAGE, "JSON"))
    topics = [*(f"show {topic}" for topic in help_words(appliance, "show")), "show revisions 1",
              "lookup 198.51.100.7:1 203.0.113.10:80/tcp", "clear flow", "export", "add pool other"]
    for command in topics:
        document = json.loads(appliance.lb("-j", "-c", command))
        assert document.pop("schema") == 1
        (name, body), = document.items()
        assert name in described, command
        if command in ("show drops", "show config"):   # named by the reasons and the settings
            continue
        assert keys_of(body) <= described, f"{command}: {keys_of(body) - described}"


def test_every_key_in_the_sources_is_in_lb_8():
    """Those that only live traffic shows, too."""
    described = words_of(section(LB_PAGE, "JSON"))
    keys = set()
    for source in [*ROOT.glob("appliance/reports*.c"), ROOT / "appliance/rates.c"]:
        keys |= set(re.findall(r'\{"(\w+)", (?:NULL|"[^"]*"), COLUMN_(?!PROSE|REMARK)',
                               source.read_text()))
    assert len(keys) > 60 and keys <= described, keys - described


@pytest.mark.parametrize("program, page", [(LB, LB_PAGE), (LBD, LBD_PAGE)], ids=["lb", "lbd"])
def test_every_option_is_in_its_manual(program, page):
    helps = subprocess.run([program, "--help"], capture_output=True, text=True).stdout
    if program == LBD:
        helps += subprocess.run([program, "replay", "--help"], capture_output=True,
                                text=True).stdout
    options = set(re.findall(r"(?<![\w-])--?([a-z][a-z-]*)", helps))
    assert len(options) >= 10
    for option in options:
        assert re.search(rf"Fl (-|\w*){option}\b", page), option


def test_the_commands_of_the_examples_work(appliance):
    examples = section(LB_PAGE, "EXAMPLES")
    script = re.search(r"^lb <<END\n(.*?)^END$", examples, re.M | re.S).group(1)
    assert "r1 active." in appliance.lb(script=script)
    for command in re.findall(r"-c \\\(aq(.*?)\\\(aq", examples):
        if "wait" not in command and " - " not in command:
            appliance.lb("-c", command)


@pytest.mark.parametrize("page", ["cli/lb.8", "appliance/lbd.8"])
def test_manuals_are_well_formed(page):
    """The least that holds without mandoc: blocks that open are closed."""
    text = (ROOT / page).read_text()
    for begin, end in ((r"^\.Bl ", r"^\.El"), (r"^\.Bd ", r"^\.Ed"), (r"\bOo\b", r"\bOc\b"),
                       (r"\bBro\b", r"\bBrc\b")):
        assert len(re.findall(begin, text, re.M)) == len(re.findall(end, text, re.M)), begin
