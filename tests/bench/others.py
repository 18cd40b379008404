"""How much of the machine went to others while something was measured.

On a shared machine that is what makes two measurements of the same thing differ by a factor of two. So
what is disturbed is measured again, a few times, and told when it does not get better; from then on
once only, until there is a quiet moment again, so that the run has an end.
"""
import os
import resource
import time
from pathlib import Path

import rows

TICKS = os.sysconf("SC_CLK_TCK")
IDLE, IOWAIT, STEAL_END = 3, 4, 8   # fields of /proc/stat: user nice system idle iowait irq softirq steal
UTIME, STIME = 11, 12              # of /proc/PID/stat, behind the name
TOLERATED = 0.3   # of one core: who is measured goes before them
TRIES = 4
PATIENCE_SECONDS = 1


def _kernel_threads():
    """Those that work for whom we measure."""
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/comm")
            if _text(path).startswith("ksoftirqd")]


def _text(path):
    try:
        return path.read_text()
    except OSError:
        return ""


def _busy_seconds():
    fields = list(map(int, _text(Path("/proc/stat")).split("\n", 1)[0].split()[1:1 + STEAL_END]))
    return (sum(fields) - fields[IDLE] - fields[IOWAIT]) / TICKS


def spent_seconds(pids):
    """By processes, with the threads that they had, so far."""
    ticks = 0
    for pid in pids:
        fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
        ticks += sum(map(int, fields[UTIME:STIME + 1]))
    return ticks / TICKS


def _ended_seconds():
    """By children of this process that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _Patience:
    tries = TRIES


def undisturbed(processes, measure):
    """measure()'s result, of a time in which hardly anybody had work to do but `processes`, to which
    measure() may add, and those that it starts and waits for; if there is such a time."""
    kernel = _kernel_threads()

    def others_seconds():
        own = [process.pid for process in processes] + kernel
        return _busy_seconds() - spent_seconds(own) - _ended_seconds()

    for number in range(_Patience.tries):
        if number:
            time.sleep(PATIENCE_SECONDS)
        begin, others = time.monotonic(), others_seconds()
        result = measure()
        share = (others_seconds() - others) / (time.monotonic() - begin)
        if share < TOLERATED:
            _Patience.tries = TRIES
            return result
    rows.progress(f"others take {100 * share:.0f} % of a core all the while")
    _Patience.tries = 1
    return result
