"""Both sides by side: the same orders for the specification and for the program, and the first
difference, told so that a network engineer can see it."""
from collections import Counter

from section4 import REASONS, STATES, UNLIMITED
from subject import NONE
from wire import IPV4, MILLISECOND, dotted, n16, n32
from words import decoded

MODES = ("nat", "fullnat", "dsr", "ipip", "gue")
PROXY = ("off", "every", "first", "sent")


LATE = 2 * MILLISECOND             # the timer of checks


class Difference(Exception):
    """The program does not do what the specification says."""


def check_frame(spec, p, now, answer, ids):
    """One frame's outcome, and every byte that left."""
    got, changed, backend, interface, sent, events = answer.outcome()
    spec.oracle.sources = sources_of(sent)
    verdict = spec.receive(p, now)
    if got != verdict:
        raise Difference(f"the verdict is {got}, it has to be {verdict}\n{told_frames(spec.sent, sent)}")
    if sent != spec.sent:
        raise Difference(told_frames(spec.sent, sent))
    check_events(spec, events, answer.subject)
    cut = p.super_frame                    # in its own bytes, datagram by datagram
    if changed and not cut and verdict not in ("forwarded", "consumed", "held") + spec.after_rewrite:
        raise Difference(f"dropped as {verdict}, the frame was changed")
    if verdict in ("forwarded", "held"):
        named = ids[1].get(backend)
        # One that is gone is known by flows that it had, and by fragments on their way.
        gone = backend != NONE and named is None and spec.backend and \
            (len(spec.backend) > 3 or getattr(p, "offset", 0))
        if named != spec.backend and not gone:
            raise Difference(f"the backend is {shown(named)}, it has to be {shown(spec.backend)}")


def sources_of(sent):
    """Whom which backend sees, (address, port, backend): what fullnat took is free."""
    sources = []
    for _, frame, _, _ in sent:
        if n16(frame, 12) == IPV4 and len(frame) >= 38:
            l4 = 14 + (frame[14] & 15) * 4
            sources.append((n32(frame, 26), n16(frame + bytes(60), l4), n32(frame, 30)))
    return sources


def check_events(spec, events, subject):
    targets = {ident: target for target, ident in subject.targets.items()}
    told = []
    for kind, ident, address, mac, interface, value in events:
        target = targets.get(ident, ("?", ident))
        told.append((kind, *target) if kind in ("up", "down") else
                    (kind, *target, value) if kind == "weight" else (kind, address, mac, interface))
    if told != spec.events:
        raise Difference(f"it tells {told}, it has to tell {spec.events}")


def check_tick(spec, answer, subject, timer=True):
    """What the timer, or a commit, has made leave; in whatever order."""
    _, _, _, _, sent, events = answer.outcome()
    if sorted(sent) != sorted(spec.sent):
        raise Difference(told_frames(sorted(spec.sent), sorted(sent)))
    targets = {ident: target for target, ident in subject.targets.items()}
    for event in events:
        if event[0] != "down":
            continue
        target = targets.get(event[1])
        if spec.silent_since(target) is None:
            raise Difference(f"{target} is told to be down, it is not")
        spec.told_down(target)
    for target in spec.health if timer else ():
        since = spec.silent_since(target)
        if since is not None and spec.now >= since + LATE:
            raise Difference(f"{target} was not heard for too long, and nobody is told")
    spec.events.sort()
    check_events(spec, sorted(event for event in events if event[0] != "down"), subject)


def check_tables(spec, config, tables):
    """SEMANTICS 3: "weight w gives w shares, exact in integers", of the healthy ones, as they were
    told; of all, where there is none and a service fails open."""
    for name, table in tables.items():
        check = config.pool[name].check
        members = [b for b in config.members[name] if b.admin == "enabled"]
        up = [b for b in members if not check or spec.health.get((check.name, b.address)) == "up"]
        if not any(b.weight for b in up) and any(s.fail_open for s in config.services if s.pool == name):
            up = members
        weights = {b.key: b.weight for b in up if b.weight}
        if (table is None) != (not weights):
            raise Difference(f"pool {name} has {'no ' if table is None else 'a '}table")
        if not table:
            continue
        slots = {config.members[name][i].key: n for i, n in Counter(table).items()}
        for key in slots.keys() - weights.keys():
            raise Difference(f"the table of pool {name} has a slot for {shown(key)}")
        for key, weight in weights.items():
            if abs(slots.get(key, 0) * sum(weights.values()) - len(table) * weight) >= sum(weights.values()):
                raise Difference(f"{shown(key)} has {slots.get(key, 0)} slots for weight {weight}")


def shown(backend):
    return f"{dotted(backend[1])}:{backend[2]} of pool {backend[0]}" if backend else "none"


def told_frames(expected, sent):
    """What left against what has to leave, to the byte."""
    lines = []
    for i in range(max(len(expected), len(sent))):
        want = expected[i] if i < len(expected) else None
        have = sent[i] if i < len(sent) else None
        if want == have:
            continue
        if want and have and want[0] == have[0] and len(want[1]) == len(have[1]):
            at = [n for n in range(len(want[1])) if want[1][n] != have[1][n]]
            lines.append(f"frame {i + 1} that left differs in bytes {at}" if at else
                         f"frame {i + 1} left with offload {have[2].hex()}, VLAN {have[3]},"
                         f" not {want[2].hex()}, {want[3]}")
        for title, frame in ("left:   ", have), ("has to: ", want):
            lines.append(f"  {title}{decoded(frame[1], frame[0]) if frame else 'nothing'}")
            if frame:
                lines.append(f"          {frame[1].hex()}")
    return "\n".join(lines)


def check_flows(spec, answer, ids):
    """The whole flow table. What has expired may be there still or be gone, by the timer, whose steps
    are free; what has not has to be there."""
    live, half_open, created, closed, rows = answer.flows()
    seen, places = set(), []
    for row in rows:
        key = (row[1], row[3], row[2], row[4], row[5])
        flow, side = spec.flows.by_key.get(key, (None, None))
        if flow is None or side:
            raise Difference(f"there is a flow that must not be: {told_row(row, ids)}")
        if flow_row(flow) != subject_row(row, ids):
            names = [name for name, a, b in zip(ROW, flow_row(flow), subject_row(row, ids)) if a != b]
            raise Difference(f"flow {told_row(row, ids)}: differs in {', '.join(names)}:\n"
                             f"  is     {subject_row(row, ids)}\n  has to be {flow_row(flow)}")
        seen.add(key)
        places.append((row[0], key))
    for flow in list(spec.flows.flows):
        if flow.forward in seen:
            continue
        at, reason = flow.ends
        if spec.now < at:
            raise Difference(f"the flow {told_key(flow.forward)} is gone, it has to be there"
                             f" ({(at - spec.now) / 1e9:.9f} s to live)")
        spec.flows.close(flow, reason)
    flows = spec.flows
    if (live, created, half_open) != (len(flows.flows), flows.created, flows.half_open):
        raise Difference(f"live, created, half-open flows are {live, created, half_open}, they have"
                         f" to be {len(flows.flows), flows.created, flows.half_open}")
    expected = tuple(flows.closed[reason] for reason in REASONS)
    if closed != expected:
        raise Difference(f"flows closed by {REASONS}: {closed}, it has to be {expected}")
    if created - sum(closed) != live:
        raise Difference("created - closed != live")
    return places


ROW = ("backend address", "backend port", "source address", "source port", "backend", "service",
       "frontend", "state", "mode", "last packet", "birth", "end", "requests left", "responses left",
       "facts", "PROXY header")


def facts(flow):
    return (flow.replied | flow.shaken << 1 | flow.client_fin << 2 | flow.backend_fin << 3 |
            flow.reset << 4)


def flow_row(flow):
    backend = flow.backend if not flow.backend or len(flow.backend) == 3 else "gone"
    return (flow.address, flow.port, flow.source, flow.source_port, backend, flow.service,
            flow.frontend, flow.state, flow.mode, flow.last, flow.born, flow.ends[0],
            UNLIMITED if flow.requests is None else flow.requests,
            UNLIMITED if flow.responses is None else flow.responses, facts(flow), flow.proxy)


def subject_row(row, ids):
    (_, _, _, _, _, _, address, port, source, source_port, backend, service, frontend, state, seen,
     mode, proxy, last, born, end, requests, responses) = row
    return (address, port, source, source_port, ids[1].get(backend, "gone") if backend != NONE else None,
            ids[0].get(service, service) if service != NONE else None, frontend, STATES[state],
            MODES[mode], last, born, end, requests, responses, seen, PROXY[proxy])


def told_key(key):
    source, source_port, destination, destination_port, protocol = key
    return (f"{dotted(source)}:{source_port} > {dotted(destination)}:{destination_port}"
            f" {({6: 'TCP', 17: 'UDP'}).get(protocol, protocol)}")


def told_row(row, ids):
    return f"{told_key((row[1], row[3], row[2], row[4], row[5]))} -> {dotted(row[6])}:{row[7]}"


def check_neighbors(spec, answer):
    """Every neighbor: its state, its MAC where there is one, the frames that wait for it."""
    known = {key: ("S" if n.state == "static" else n.state[0], n.mac, len(n.held))
             for key, n in spec.neighbors.items()}
    got = answer.neighbors()
    if got != known:
        wrong = [(dotted(key[1]), got.get(key), known.get(key))
                 for key in set(got) | set(known) if got.get(key) != known.get(key)]
        raise Difference(f"neighbors (address, is, has to be): {wrong}")


def check_counters(spec, answer, ids):
    """Every counter; and conservation: "received = forwarded + consumed + held + sum(dropped)"."""
    path, interfaces, services, backends, _ = answer.counters()
    expected = spec.stateless, spec.conflicts, 0, spec.heartbeats
    if path != expected:
        raise Difference(f"packets by the table alone, VIP conflicts, checks sent, heartbeats are {path},"
                         f" they have to be {expected}")
    for i, (head, verdicts) in enumerate(interfaces):
        c = spec.counters[i]
        received, received_bytes, sent, sent_bytes, originated, held = head
        if received != held + sum(verdicts):
            raise Difference(f"interface {i}: {received} received, but {held} held and"
                             f" {sum(verdicts)} under a verdict")
        expected = (c.received, c.received_bytes, c.sent, c.sent_bytes, c.originated, c.held)
        if head != expected:
            raise Difference(f"interface {i}: received, bytes, sent, bytes, originated, held are"
                             f" {head}, they have to be {expected}")
        counted = {name: n for name, n in zip(answer.subject.verdicts, verdicts) if n}
        if counted != c.verdict:
            raise Difference(f"interface {i}: verdicts are {counted}, they have to be {c.verdict}")
    owners = {}
    for ident, row in services.items():
        owners.setdefault(ids[0][ident], []).append(row)
    for name, rows in owners.items():
        row = tuple(map(sum, zip(*rows)))
        c = spec.service_counters(name)
        expected = (c["packets"], c["bytes"], c["reply_packets"], c["reply_bytes"], c["total_flows"],
                    c["no_backend"], spec.flows.active.get(name, 0))
        if row != expected:
            raise Difference(f"service {name}: packets, bytes, replies, bytes, flows, no_backend,"
                             f" active are {row}, they have to be {expected}")
    for ident, row in backends.items():
        key = ids[1][ident]
        c = spec.backend_counters(key)
        expected = (c["packets"], c["bytes"], c["reply_packets"], c["reply_bytes"], c["total_flows"],
                    spec.flows.active.get(key, 0))
        if row != expected:
            raise Difference(f"backend {shown(key)}: packets, bytes, replies, bytes, flows, active"
                             f" are {row}, they have to be {expected}")
