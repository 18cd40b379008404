/* The one outcome that every received frame is counted under (the law of conservation:
 * received = forwarded + consumed + held + sum of the drop reasons).
 *
 * One line here is one outcome: its name in console, metrics, trace and tests, and its text. There
 * is no "other".
 */
#ifndef PATH_VERDICT_H
#define PATH_VERDICT_H

#include <stdbool.h>

#define VERDICT_OUTCOMES(X) \
	X(FORWARDED, forwarded, "sent on, rewritten where a service asks for it") \
	X(CONSUMED,  consumed,  "meant for the appliance itself: ARP, echo, heartbeat, check reply") \
	X(HELD,      held,      "waits for a neighbor's MAC or for its first fragment")

#define VERDICT_DROPS(X) \
	X(frame_truncated,        "shorter than an Ethernet header, or cut short before it came") \
	X(not_for_us,             "sent to another host's MAC address") \
	X(looped,                 "bridged, but from the appliance's own MAC: it comes back by a loop") \
	X(unknown_ethertype,      "neither IPv4 nor ARP") \
	X(ipv6,                   "IPv6, which a routed appliance does not carry") \
	X(vlan_tagged,            "tagged for a VLAN; a VLAN has an interface of its own") \
	X(arp_malformed,          "ARP too short, not Ethernet and IPv4, or from a MAC that no host has") \
	X(arp_not_for_us,         "ARP that neither asks for nor answers the appliance") \
	X(arp_vip_conflict,       "ARP by which another host claims an address of the appliance") \
	X(ip_truncated,           "total length larger than the bytes present") \
	X(ip_bad_version,         "IP version other than 4") \
	X(ip_bad_header_length,   "IP header length under 20") \
	X(ip_bad_length,          "IP total length shorter than the header") \
	X(ip_bad_checksum,        "IP header checksum wrong") \
	X(ip_bad_source,          "source is multicast, broadcast, loopback or zero") \
	X(ip_bad_destination,     "destination, or its MAC, is multicast, broadcast, loopback or zero") \
	X(ip_source_is_ours,      "source is a VIP or an interface address of the appliance") \
	X(ttl_expired,            "TTL used up on the way through the appliance") \
	X(fragment_malformed,     "fragment that overlaps the L4 header, or is too short for it") \
	X(fragment_timeout,       "fragment whose first fragment did not come in time") \
	X(fragment_overflow,      "fragment with no room to wait for its first one") \
	X(tcp_malformed,          "TCP header too short or too long, or a wrong checksum to ourselves") \
	X(udp_malformed,          "UDP length under 8 or too long, or a wrong checksum to ourselves") \
	X(icmp_malformed,         "ICMP shorter than 8 bytes, or its checksum wrong") \
	X(icmp_unmatched,         "ICMP error about no flow of the appliance") \
	X(icmp_ignored,           "ICMP that is not answered: fragments, redirects, other types") \
	X(heartbeat_malformed,    "not a signed heartbeat, where the check has a key, or of another sender") \
	X(heartbeat_forged,       "heartbeat whose signature is not that of the check's key") \
	X(heartbeat_old,          "heartbeat whose time is too far from the appliance's clock") \
	X(heartbeat_replayed,     "heartbeat that is not newer than the last one of its sender") \
	X(register_full,          "heartbeat of an unknown sender, with no room to register him") \
	X(protocol_unsupported,   "protocol other than TCP, UDP and ICMP, to a VIP or to the appliance") \
	X(no_service,             "no service at this VIP, port and protocol") \
	X(service_disabled,       "the service is disabled") \
	X(no_backend,             "no usable backend in the service's pool") \
	X(backend_lost,           "its flow's backend is lost, its client told by a reset (on-backend-loss)") \
	X(flow_table_full,        "no room for a flow, and its reply could not be mapped back") \
	X(service_flows_full,     "the service's max-flows is reached") \
	X(requests_used_up,       "a client's datagram beyond its flow's `requests`") \
	X(reply_collision,        "no backend whose replies could be told from another flow's") \
	X(source_ports_exhausted, "no address and port of fullnat is free towards any usable backend") \
	X(no_flow,                "the reply of no flow and no service, or a RST that may be another's") \
	X(forwarding_off,         "neither for a service nor for the appliance, and forwarding is off") \
	X(no_route,               "no connected network and no route to the destination") \
	X(interface_down,         "the interface that it should leave by is missing or down") \
	X(neighbor_failed,        "the next hop did not answer ARP") \
	X(neighbor_overflow,      "no room to wait for the next hop's MAC") \
	X(too_big,                "larger than the egress MTU and not to be fragmented") \
	X(rate_limited,           "the appliance's answer would exceed its rate limit") \
	X(echo_unavailable,       "echo to a VIP whose services have no usable backend (vip-echo available)")

enum verdict {
#define X(upper, name, text) VERDICT_##upper,
	VERDICT_OUTCOMES(X)
#undef X
#define X(name, text) DROP_##name,
	VERDICT_DROPS(X)
#undef X
	VERDICT_COUNT,
	VERDICT_FIRST_DROP = VERDICT_HELD + 1,
};

static inline bool verdict_is_drop(enum verdict verdict)
{
	return (int)verdict >= VERDICT_FIRST_DROP;
}

/* "forwarded", "no_service": stable, part of the contract with scripts. */
const char *verdict_name(enum verdict verdict);
/* The sentence that goes with it. */
const char *verdict_text(enum verdict verdict);

#endif
