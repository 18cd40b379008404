"""The step of `make verify`: searches and random frames, side by side on all processors.

usage: verify.py DIRECTORY-OF-PROGRAMS DIRECTORY-OF-CHECKED-PROGRAMS
"""
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed

import judge
from randoms import Fault, one_round, tell
from search import search
from searches import plans
from worlds import MODES

LONG = os.environ.get("VERIFY") == "long"
PLAIN, CHECKED = (1_000_000, 1_000_000) if LONG else (950_000, 50_000)
SHARE, ROUND = 50_000, 10_000
JUDGED = 150                       # frames a mode
STATES = 90_000                    # of a search, where it has more; LONG: all of them


def random_share(program, mode, number):
    """Frames that were compared, and whether all was as specified."""
    hashes, done, seed = {}, 0, number * (SHARE // ROUND)
    while done < SHARE:
        try:
            run = one_round(program, mode.replace("bridged", "nat"), f"{mode} {seed}", ROUND,
                            mode == "bridged", hashes=hashes)
        except Fault as fault:
            tell(program, fault)
            return done, False
        done += run.frames
        seed += 1
    return done, True


def scapy_share(program):
    try:
        return judge.judge(program, JUDGED), True
    except (judge.Differs, Fault) as fault:
        print(getattr(fault, "fault", fault), file=sys.stderr)
        return 0, False


def line(good, *fields):
    print("PASS" if good else "FAIL", *fields, sep="\t", flush=True)
    return good


class Mode:
    """The shares of one mode, as they are done."""

    def __init__(self, mode):
        self.mode, self.left, self.good = mode, 0, True
        self.frames = {"plain": 0, "checked": 0}

    def add(self, kind, frames, good):
        self.left -= 1
        self.frames[kind] += frames
        self.good = self.good and good
        if self.left:
            return True
        plain, checked = self.frames["plain"], self.frames["checked"]
        result = f"{plain + checked:,} frames" if self.good else "differs: see the trace"
        return line(self.good, f"random frames, {self.mode}: every byte, counter and flow as specified",
                    "specification in Python", f"fixed seeds, {checked:,} of them under ASan and UBSan",
                    result)


def main(programs, checked):
    good, futures = True, {}
    modes = {mode: Mode(mode) for mode in MODES + ("bridged",)}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for plan in range(len(list(plans()))):
            futures[pool.submit(search_plan, f"{programs}/shim-collide", plan)] = "search",
        for mode in modes.values():
            for kind, program, frames in (("checked", f"{checked}/shim", CHECKED),
                                          ("plain", f"{programs}/shim", PLAIN)):
                for number in range(frames // SHARE):
                    first = number if kind == "plain" else number + 10_000
                    futures[pool.submit(random_share, program, mode.mode, first)] = kind, mode
                    mode.left += 1
        futures[pool.submit(scapy_share, f"{programs}/shim")] = "judge",
        for future in as_completed(futures):
            kind, *mode = futures[future]
            if kind == "search":
                good = future.result() and good
            elif kind == "judge":
                frames, right = future.result()
                good = line(right, "the specification's own bytes", "Scapy", f"{JUDGED} frames a mode",
                            f"{frames} built again, the same" if right else "differ") and good
            else:
                good = mode[0].add(kind, *future.result()) and good
    return 0 if good else 1


def search_plan(program, number):
    return search(program, list(plans())[number], None if LONG else STATES)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
