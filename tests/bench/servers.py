"""The servers of the bed, behind all three backends' addresses, and the programs that call them."""
import json
import re
import subprocess
from pathlib import Path

from lab import wait_until   # by bed's path


class Web:
    """nginx: one process, a small answer, connections kept as long as the client likes."""

    def __init__(self, lab, directory):
        directory = Path(directory)
        (directory / "nginx.conf").write_text("""
            daemon off;
            master_process off;
            pid nginx.pid;
            error_log error.log;
            events { worker_connections 16384; }
            http {
                access_log off;
                keepalive_requests 1000000000;
                server {
                    listen 80 backlog=16384;
                    location / { return 200 "ringlb\\n"; }
                }
            }""")
        lab.run("server", "sysctl", "-qw", "net.core.somaxconn=16384")
        self.process = lab.start("server", "nginx", "-p", directory, "-c", "nginx.conf",
                                 "-e", "error.log", stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)


class Bulk:
    """iperf3, waiting."""

    def __init__(self, lab):
        self.process = lab.start("server", "iperf3", "--server", stdout=subprocess.DEVNULL)


def wait_for_answer(lab, address):
    """Through whatever stands between: false after some seconds without one."""
    def answers():
        return lab.run("client", "curl", "-sf", "-o", "/dev/null", "--max-time", "1",
                       f"http://{address}/", check=False).returncode == 0
    try:
        wait_until(answers, 10, f"http://{address}/ answers")
    except AssertionError:
        return False
    return True


def requests_per_second(lab, address, connections, seconds, close=False):
    """wrk's; `close`: a connection for each request. Raises where too many of them failed."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://{address}/"]
    if close:
        words += ["-H", "Connection: close"]
    said = lab.run("client", *words, timeout=seconds + 30).stdout
    rate = float(re.search(r"Requests/sec: +([\d.]+)", said).group(1))
    failed = sum(map(int, re.findall(r"(?:connect|read|write|timeout|responses:?) (\d+)", said)))
    if rate == 0 or failed > 0.01 * rate * seconds:
        raise RuntimeError(f"wrk of {address}: {said}")
    return rate


def bits_per_second(lab, address, seconds, reverse=False):
    """iperf3's, one stream, what has arrived; `reverse`: to the client."""
    words = ["iperf3", "--client", address, "--time", seconds, "--omit", 0, "--json"]
    if reverse:
        words.append("--reverse")
    said = json.loads(lab.run("client", *words, check=False, timeout=seconds + 30).stdout)
    if "error" in said:
        raise RuntimeError(f"iperf3 of {address}: {said['error']}")
    return said["end"]["sum_received"]["bits_per_second"]
