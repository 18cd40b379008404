"""Some thousand random frames of each mode and a small search, in one process: for mutants."""
import sys

from compare import Difference
from randoms import Fault, one_round
from search import Search
from searches import plans
from subject import Died

FRAMES, STATES = 2500, 700


def main(program, colliding):
    hashes = {}
    try:
        for mode in ("nat", "bridged", "fullnat", "ipip", "gue", "dsr", "nat"):
            what = f"random frames, {mode}"
            one_round(program, mode.replace("bridged", "nat"), f"quick {mode}", FRAMES,
                      mode == "bridged", hashes=hashes)
        for plan in plans():
            what = plan.title
            Search(colliding, plan).run(STATES)
    except (Fault, Difference, Died, AssertionError, IndexError, OSError) as fault:
        print(getattr(fault, "fault", fault), file=sys.stderr)
        print(f"spec: {what}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
