"""SEMANTICS 7: ARP and neighbors."""
from wire import ARP, ETHERNET, EVERYBODY, NO_OFFLOAD, SECOND, arp, ethernet, n16, n32, within

NOBODY = bytes(6)
HELD_EACH, TRIES, RETRY, CONFIRM = 8, 3, SECOND, 30 * SECOND
FORGET_FAILED, FORGET_STALE = 60 * SECOND, 600 * SECOND    # free: SEMANTICS bounds the table only


class Neighbor:
    def __init__(self, state, mac=NOBODY):
        self.state, self.mac = state, mac       # states as in RFC 4861 section 7.3.2
        self.deadline = self.retry = self.updated = 0
        self.tries = 0
        self.used = self.told = False
        self.held = []                          # (frame, way, where it came in, offload)


class Neighbors:
    # ---- what is heard ----

    def arp(self, p):
        f, ports = p.frame, self.config.interfaces
        if len(f) < ETHERNET + 28 or f[14:20] != b"\0\1\x08\0\6\4":
            return "arp_malformed"
        operation, target_mac, target = n16(f, 20), f[32:38], n32(f, 38)
        sender_mac, sender = f[22:28], n32(f, 28)
        if sender_mac[0] & 1 or sender_mac == NOBODY:
            return "arp_malformed"
        if sender_mac in (port.mac for port in ports):
            return "arp_not_for_us"
        if self.only_ours(sender):
            return self.conflict(p, sender, sender_mac)
        if operation == 1 and self.answers_for(p.interface, target):
            return self.answer_arp(p, sender, sender_mac, target)
        # "Learns only from replies to its own requests and from requests addressed to it"
        entry = self.neighbors.get((p.interface, sender))
        if operation == 2 and target_mac == ports[p.interface].mac and \
                (not target or self.ours(target)) and entry and entry.state in ("incomplete", "probe"):
            self.reachable(p.interface, sender, entry, sender_mac)
            return "consumed"
        # "never from unsolicited claims": but who is right is asked at once
        if entry and entry.state == "reachable" and entry.mac != sender_mac and \
                self.now - entry.updated >= RETRY:
            self.ask(p.interface, sender, entry, "probe")
        return "arp_not_for_us"

    def only_ours(self, address):
        """Bridged, a router behind the appliance may have a VIP."""
        return address in self.config.own or (address in self.config.vips and not self.config.bridged)

    def answers_for(self, interface, address):
        """"VIPs on frontend interfaces, interface addresses on their own interface"; bridged, all
        interfaces are one link, and clients send to the MAC of a router behind it."""
        if address in self.config.own:
            return self.config.bridged or self.config.own[address] == interface
        return address in self.config.vips and not self.config.bridged and \
            self.config.interfaces[interface].frontend

    def conflict(self, p, sender, sender_mac):
        """"Another host claiming a VIP raises an alarm, counted"; told once a second."""
        self.conflicts += 1
        if self.now >= self.conflict_told.get(sender, 0):
            self.conflict_told[sender] = self.now + SECOND
            self.events.append(("vip_conflict", sender, sender_mac, p.interface))
        return "arp_vip_conflict"

    def answer_arp(self, p, sender, sender_mac, target):
        if sender and self.on_link(p.interface, sender):
            self.asked_by(p.interface, sender, sender_mac)
        if not self.may_say("ARP reply"):
            return "rate_limited"
        self.send_arp(p.interface, sender_mac, 2, target, sender_mac, sender)
        return "consumed"

    def on_link(self, interface, address):
        return any(way.interface == interface and
                   (address == way.via if way.via else within(address, way.prefix, way.length))
                   for way in self.config.way)

    def asked_by(self, interface, address, mac):
        """Who asks will be spoken to: kept, stale."""
        entry = self.neighbors.setdefault((interface, address), Neighbor("new"))
        if entry.state == "static" or entry.mac == mac:
            return
        entry.mac, entry.updated = mac, self.now
        if entry.held:
            self.ask(interface, address, entry, "probe")
            self.release(entry)
        else:
            entry.state, entry.deadline = "stale", self.now + FORGET_STALE

    # ---- what is said ----

    def send_arp(self, interface, to_mac, operation, sender, target_mac, target):
        own = self.config.interfaces[interface].mac
        frame = ethernet(to_mac, own, ARP, arp(operation, own, sender, target_mac, target))
        self.send(frame, interface, NO_OFFLOAD, (0, 0), True)

    def ask(self, interface, address, entry, state):
        """"unicast probe", or to everybody; "retries 3 at 1 s"."""
        entry.tries = entry.tries + 1 if entry.state == state else 1
        entry.state, entry.deadline = state, self.now + RETRY
        way = self.way_to(address, interface)
        port = self.config.interfaces[interface]
        own = port.addresses[0][0] if port.addresses else 0
        if way and way.interface == interface and way.source:
            own = way.source
        self.send_arp(interface, entry.mac if state == "probe" else EVERYBODY, 1, own, NOBODY, address)

    def announce(self):
        """"Announces VIPs (3 gratuitous ARPs, at start, on adding, on link up)": a second apart."""
        for item in list(self.announcements):
            if item[0] > self.now:
                continue
            self.announcements.remove(item)
            due, vip, rounds, interfaces, begun = item
            if vip in self.config.vips:
                for i in self.announcing():
                    if (interfaces is None or i == interfaces) and self.since.get(i, 0) <= begun:
                        self.send_arp(i, EVERYBODY, 1, vip, NOBODY, vip)
            if rounds > 1:
                self.announcements.append((self.now + SECOND, vip, rounds - 1, interfaces, begun))

    def announcing(self):
        return [] if self.config.bridged else [
            i for i, port in enumerate(self.config.interfaces) if port.frontend and port.up]

    # ---- the way out ----

    def transmit(self, frame, way, in_interface, offload=NO_OFFLOAD, vlan=(0, 0), originated=None):
        """To the next hop, once its MAC is known: "forwarded", "held", or the drop. `in_interface`:
        where it is counted; None: it is the appliance's own, or a piece of what is."""
        originated = in_interface is None if originated is None else originated
        if self.config.bridged:
            self.transmit_bridged(bytes(frame), way.interface, offload, vlan, in_interface is None)
            return "forwarded"
        key = way.interface, way.next_hop
        entry = self.neighbors.get(key)
        if entry and entry.state in ("stale", "reachable", "probe", "static"):
            if entry.state == "stale":          # confirmed "without delaying traffic"
                self.ask(*key, entry, "probe")
            entry.used = True
            self.send_to(frame, way.interface, entry.mac, offload, in_interface)
            return "forwarded"
        if entry and entry.state == "failed" and self.now < entry.retry:
            return "neighbor_failed"
        if not entry:
            entry = self.neighbors[key] = Neighbor("new")
            entry.updated = self.now
        if entry.state != "incomplete":
            self.ask(*key, entry, "incomplete")
        # "Frames for an unresolved neighbor wait, at most 8 each (oldest dropped first)"
        if len(frame) > self.held_size:
            return "neighbor_overflow"
        if len(entry.held) == HELD_EACH:
            self.settle(entry.held.pop(0), "neighbor_overflow")
        entry.held.append((frame, way, in_interface, offload))
        if in_interface is not None:
            self.counters[in_interface].held += 1
        return "held"

    def send_to(self, frame, interface, mac, offload, in_interface):
        frame[0:6] = mac
        frame[6:12] = self.config.interfaces[interface].mac
        self.send(frame, interface, offload, (0, 0), in_interface is None)

    def settle(self, held, verdict):
        """A frame that has waited is counted as what became of it."""
        in_interface = held[2]
        if in_interface is not None:
            self.counters[in_interface].held -= 1
            self.count_verdict(in_interface, verdict)

    def release(self, entry):
        while entry.held:
            held = entry.held.pop(0)
            frame, way, in_interface, offload = held
            self.send_to(frame, way.interface, entry.mac, offload, in_interface)
            self.settle(held, "forwarded")

    def reachable(self, interface, address, entry, mac):
        entry.state, entry.mac, entry.used = "reachable", mac, False
        entry.updated, entry.deadline = self.now, self.now + CONFIRM
        self.release(entry)

    # ---- time ----

    def neighbors_tick(self):
        for (interface, address), entry in list(self.neighbors.items()):
            if entry.state == "static" or self.now < entry.deadline:
                continue
            if entry.state in ("incomplete", "probe") and entry.tries < TRIES:
                self.ask(interface, address, entry, entry.state)
            elif entry.state == "incomplete":
                self.drop_held(entry, "neighbor_failed")
                entry.state, entry.deadline = "failed", self.now + FORGET_FAILED
                entry.retry = self.now + RETRY
                if not entry.told:
                    self.events.append(("neighbor_failed", address, NOBODY, interface))
                entry.told = True
            elif entry.state == "reachable" and entry.used:
                self.ask(interface, address, entry, "probe")
            elif entry.state == "reachable":
                entry.state, entry.deadline = "stale", self.now + FORGET_STALE
            else:
                del self.neighbors[interface, address]

    def drop_held(self, entry, verdict):
        while entry.held:
            self.settle(entry.held.pop(0), verdict)

    def neighbors_published(self, old):
        """"Static entries never age"; what the configuration took away goes."""
        for key, entry in list(self.neighbors.items()):
            if entry.state == "static":
                del self.neighbors[key]
            elif not self.config.interfaces[key[0]].up:
                self.drop_held(entry, "interface_down")
                del self.neighbors[key]
            elif not self.on_link(*key):
                self.drop_held(entry, "no_route")
                del self.neighbors[key]
        for key, mac in self.config.static.items():
            entry = self.neighbors.setdefault(key, Neighbor("static"))
            entry.state, entry.mac = "static", mac
            self.release(entry)
        started = [i for i in self.announcing()
                   if not old or i not in self.announcing_before]
        for i in started:
            self.since[i] = self.now
        for vip in sorted(self.config.vips):
            if not old or vip not in old.vips:
                self.announcements.append((self.now, vip, 3, None, self.now))
            else:
                self.announcements += [(self.now, vip, 3, i, self.now) for i in started]
        self.announcing_before = self.announcing()
