"""Random frames in each mode, in sequence, with time and commits between them: both sides compared
to the byte after every frame, and their whole state after every few."""
import random
import sys
import time

import worlds
from appliance import Appliance
from config import Check
from compare import (Difference, check_counters, check_flows, check_frame, check_neighbors,
                     check_tables, check_tick)
from subject import Answer, Died, Subject
from traffic import Traffic
from wire import MILLISECOND, SECOND
from words import decoded

CAPACITY = 24
TOLD_STEPS = 40


class Step:
    """What happens at one instant."""
    __slots__ = ("kind", "now", "what")

    def __init__(self, kind, now, what=None):
        self.kind, self.now, self.what = kind, now, what


class Run:
    """One program and its specification, from the beginning."""

    def __init__(self, program, configs, dump_every):
        self.subject = Subject(program, CAPACITY)
        self.configs = configs
        self.spec = Appliance(self.subject, CAPACITY)
        self.frames, self.dump_every, self.undumped = 0, dump_every, 0
        self.ids = None
        self.done = []
        self.look = None           # called with every frame, and those that left by it

    def publish(self, step):
        config = self.configs[step.what]
        snapshot, tables = self.subject.compile(config)
        self.ids = self.subject.snapshots[snapshot]
        data = self.subject.ask(self.subject.publish(snapshot, step.now) + b"WDA")
        self.done.append(step)
        check_tables(self.spec, config, tables)
        self.spec.publish(config, tables, step.now)
        self.spec.sweep()
        answer = Answer(self.subject, data)
        check_tick(self.spec, answer, self.subject, timer=False)
        answer.letter("p")
        answer.letter("w")
        self.dump(answer)

    def steps(self, steps):
        """Frames and ticks."""
        orders = []
        for step in steps:
            orders.append(self.subject.batch(step.what, step.now) if step.kind == "frames" else
                          self.subject.tick(step.now))
            self.undumped += 1
            if self.undumped >= self.dump_every:
                orders.append(b"DA")
                self.undumped = 0
            elif step.kind == "tick":      # which flows the timer has met is free: to be seen
                orders.append(b"F")
        answer = Answer(self.subject, self.subject.ask(b"".join(orders)))
        for step in steps:
            self.done.append(step)
            if step.kind == "frames":
                for p in step.what:
                    self.frames += 1
                    check_frame(self.spec, p, step.now, answer, self.ids)
                    if self.look:
                        self.look(p, self.spec.sent)
            else:
                self.spec.tick(step.now)
                check_tick(self.spec, answer, self.subject)
                answer.letter("t")
            if answer.data[answer.at:answer.at + 1] == b"D":
                self.dump(answer)
            elif answer.data[answer.at:answer.at + 1] == b"F":
                answer.letter("F")
                check_flows(self.spec, answer, self.ids)

    def dump(self, answer):
        answer.letter("D")
        check_flows(self.spec, answer, self.ids)
        check_counters(self.spec, answer, self.ids)
        answer.letter("A")
        check_neighbors(self.spec, answer)

    def close(self):
        self.subject.close()


CHECKS = (None, Check("beat", 3 * SECOND), Check("beat", 3 * SECOND, 7000),
          Check("beat", 3 * SECOND, 7000, worlds.KEY))


def one_round(program, mode, seed, frames, bridged=False, hashes=None, look=None):
    """So many frames from one seed; a Run that has compared them. `look` sees what left."""
    rng = random.Random(seed)
    check = rng.choice(CHECKS)
    base = worlds.world(mode, rng, bridged, check)
    configs = [base] + [worlds.varied(base, mode, rng, check) for _ in range(5)]
    run = Run(program, configs, 10)
    run.look = look
    if hashes is not None:
        run.subject.hashes = hashes
    traffic = Traffic(rng, mode, bridged)
    now = SECOND
    try:
        run.publish(Step("publish", now, 0))
        while run.frames < frames:
            steps = []
            for _ in range(30):
                now += rng.choice((0, 1000, MILLISECOND, MILLISECOND, 50 * MILLISECOND, SECOND // 2,
                                   SECOND, 2 * SECOND)) if rng.random() < .25 else 0
                if rng.random() < .01:
                    now += rng.choice((5, 10, 31, 61, 200)) * SECOND
                traffic.now = now
                batch = [traffic.frame(run.spec) for _ in range(rng.choice((1, 2, 4, 8, 16)))]
                steps.append(Step("frames", now, batch))
                if rng.random() < .3:
                    steps.append(Step("tick", now))
            run.steps(steps)
            if rng.random() < .12:
                run.publish(Step("publish", now, rng.randrange(len(configs))))
    except (Difference, Died) as fault:
        run.fault = fault
        raise Fault(run, fault) from None
    finally:
        run.close()
    return run


class Fault(Exception):
    def __init__(self, run, fault):
        self.run, self.fault = run, fault


def again(program, configs, steps):
    """Whether these steps alone show a fault; it, or None."""
    run = Run(program, configs, 1)
    try:
        for step in steps:
            if step.kind == "publish":
                run.publish(step)
            else:
                run.steps([step])
    except (Difference, Died) as fault:
        return fault
    finally:
        run.close()
    return None


def shortened(program, run, seconds):
    """A short sequence that still shows a fault: without what can be left out."""
    steps = []
    for step in run.done:                  # frame by frame
        steps += [Step("frames", step.now, [p]) for p in step.what] if step.kind == "frames" else [step]
    until = time.time() + seconds
    fault = again(program, run.configs, steps)
    if not fault:
        return run.done[-TOLD_STEPS:], run.fault
    first, rest = steps[0], steps[1:]
    # Mostly the last ones are enough, with the commit before them.
    for few in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        if few >= len(rest):
            break
        last = [step for step in rest[:-few] if step.kind == "publish"][-1:]
        found = again(program, run.configs, [first] + last + rest[-few:])
        if found:
            rest, fault = last + rest[-few:], found
            break
    size = len(rest)
    while size > 1 and time.time() < until:
        size = (size + 1) // 2
        at = len(rest) - size
        while at > -size and time.time() < until:
            fewer = rest[:max(at, 0)] + rest[at + size:]
            found = again(program, run.configs, [first] + fewer)
            if found:
                rest, fault = fewer, found
            at -= size
    return [first] + rest, fault


def tell(program, fault, seconds=20):
    run = fault.run
    steps, difference = shortened(program, run, seconds)
    print(f"\nAfter {len(steps)} steps the program does not do what the specification says:",
          file=sys.stderr)
    if len(steps) > TOLD_STEPS:
        print(f"  (the last {TOLD_STEPS} of them)", file=sys.stderr)
    for i, step in list(enumerate(steps, 1))[-TOLD_STEPS:]:
        head = f"  {i}. at {step.now / 1e9:.9f} s: "
        if step.kind == "publish":
            print(head + "this configuration is published:", file=sys.stderr)
            for line in run.configs[step.what].script().splitlines():
                print(f"       {line}", file=sys.stderr)
        elif step.kind == "tick":
            print(head + "the timer", file=sys.stderr)
        else:
            for p in step.what:
                print(head + decoded(p.frame, p.interface), file=sys.stderr)
                print(f"       {p.frame.hex()}"
                      f"{' offload ' + p.offload.hex() if any(p.offload) else ''}", file=sys.stderr)
    print(difference, file=sys.stderr)


def main(program, mode, frames, seed=1):
    """By hand: so many frames of a mode, from a seed on."""
    done, cpu, hashes = 0, time.process_time(), {}
    while done < frames:
        try:
            run = one_round(program, mode.replace("bridged", "nat"), f"{mode} {seed}",
                            min(10000, frames - done), mode == "bridged", hashes=hashes)
        except Fault as fault:
            tell(program, fault)
            return 1
        done += run.frames
        seed += 1
    cpu = time.process_time() - cpu
    print(f"{mode}: {done} frames, {done / cpu:.0f} a second of Python's CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 1))
