"""`lbd replay` as a command: the same every time, and clear about what it cannot do."""
import pytest

from replay import WEB, syn


def test_the_same_bit_for_bit(replay):
    frames = [("ext", syn(port)) for port in range(1000, 1200)]
    outputs = []
    for _ in range(2):
        out = replay.folder / "out"
        result = replay.command(*replay.write(WEB, frames), "--out", out, "--json")
        outputs.append((result.stdout, [file.read_bytes() for file in sorted(out.iterdir())]))
    assert outputs[0] == outputs[1]


def test_people_get_tables(replay):
    output = replay.command(*replay.write(WEB, [("ext", syn()), ("ext", syn(dport=81))])).stdout
    assert "ext" in output and "no_service" in output


def test_backends_can_be_taken_for_up(replay):
    config = WEB.replace("add pool web", "add check c tcp\nadd pool web check c")
    arguments = replay.write(config, [("ext", syn())])
    assert '"reason":"no_backend"' in replay.command(*arguments, "--json").stdout
    assert '"verdict":"forwarded"' in replay.command(*arguments, "--json", "--assume-up").stdout


@pytest.mark.parametrize("change, status, words", [
    (lambda a: a[:2], 2, "--in"),
    (lambda a: a[2:], 2, "--config"),
    (lambda a: a + ["--in", "ext"], 2, "IFACE=FILE"),
    (lambda a: a + ["--in", "dmz=" + str(a[3]).split("=")[1]], 1, 'no interface "dmz"'),
    (lambda a: a + ["--in", "ext=/nowhere.pcap"], 1, "/nowhere.pcap"),
    (lambda a: a + ["--out", "/nowhere/either"], 1, "/nowhere/either"),
    (lambda a: a + ["--mtu", "12"], 2, "68"),
    (lambda a: a + ["--nonsense"], 2, "nonsense"),
    (lambda a: ["--config", "/nowhere"] + a[2:], 1, "/nowhere"),
], ids=["no capture", "no configuration", "no file", "unknown interface", "no such capture",
        "no such folder", "an impossible mtu", "an unknown option", "no such script"])
def test_what_cannot_be_is_told(replay, change, status, words):
    result = replay.command(*change(replay.write(WEB, [("ext", syn())])), check=False)
    assert result.returncode == status
    assert words in result.stderr


def test_an_error_in_the_script_has_a_place(replay):
    arguments = replay.write(WEB + "add pool web scheduler fast\n", [("ext", syn())])
    result = replay.command(*arguments, check=False)
    assert result.returncode == 1
    assert f"{arguments[1]}:{len(WEB.splitlines()) + 1}:24: error:" in result.stderr


def test_a_damaged_capture_is_told(replay):
    arguments = replay.write(WEB, [("ext", syn())])
    file = replay.folder / "ext.in.pcap"
    file.write_bytes(file.read_bytes()[:-3])
    result = replay.command(*arguments, check=False)
    assert result.returncode == 1 and "ext.in.pcap" in result.stderr
