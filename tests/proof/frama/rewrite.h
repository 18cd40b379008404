/* What rewrite.h promises, for WP: put before rewrite.c by tests/proof/frama/run.
 *
 * A checksum and the words that it covers add up to the same before and after, modulo 65535: what was
 * right stays right, what was wrong stays wrong by as much. Of the words it is enough to add those that
 * may be written: the rest is not (assigns). On a little-endian machine the TTL counts as it is. */
#ifndef PROOF_REWRITE_H
#define PROOF_REWRITE_H

#include "appliance/path/checksum.h"
#include "appliance/path/packet.h"

/*@ logic struct tcp *tcp_of(struct packet *p) = (struct tcp *)p->l4;
    logic struct udp *udp_of(struct packet *p) = (struct udp *)p->l4;
    logic integer addresses(struct packet *p) = p->ip->source.raw + p->ip->destination.raw;
    logic integer ip_sum(struct packet *p) =
      p->ip->checksum.raw + addresses(p) + p->ip->fragment.raw + p->ip->ttl;

    predicate has(struct packet *p, integer protocol) =
      p->fragment != FRAGMENT_LATER && p->protocol == protocol;
    predicate is_partial(struct packet *p) =
      (p->frame->offload.flags & OFFLOAD_CHECKSUM_PARTIAL) != 0;

    predicate ip_adds_up{A, B}(struct packet *p) = congruent(ip_sum{A}(p), ip_sum{B}(p)); */

/*@ requires field == &packet->ip->source || field == &packet->ip->destination;
    assigns *field, packet->ip->checksum;
    ensures *field == address && ip_adds_up{Pre, Post}(packet);
    ensures \result == 0xffffffff - \old(field->raw) + address.raw; */
static inline uint64_t rewrite_address(const struct packet *packet, be32 *field, be32 address);

/*@ assigns *field;
    ensures *field == port && \result == 0xffff - \old(field->raw) + port.raw; */
static inline uint64_t rewrite_port(be16 *field, be16 port);

/*@ requires addresses <= 0xffffffffffff && ports <= 0xffffffff;
    assigns udp_of(packet)->checksum, tcp_of(packet)->checksum;
    behavior tcp:
      assumes has(packet, PROTOCOL_NUMBER_TCP);
      assigns tcp_of(packet)->checksum;
      ensures is_partial(packet) ?
        congruent(addresses, tcp_of(packet)->checksum.raw - \old(tcp_of(packet)->checksum.raw)) :
        congruent(addresses + ports, \old(tcp_of(packet)->checksum.raw) - tcp_of(packet)->checksum.raw);
    behavior udp:
      assumes has(packet, PROTOCOL_NUMBER_UDP) &&
              (is_partial(packet) || udp_of(packet)->checksum.raw != 0);
      assigns udp_of(packet)->checksum;
      ensures is_partial(packet) ?
        congruent(addresses, udp_of(packet)->checksum.raw - \old(udp_of(packet)->checksum.raw)) :
        congruent(addresses + ports, \old(udp_of(packet)->checksum.raw) - udp_of(packet)->checksum.raw);
      ensures is_partial(packet) || udp_of(packet)->checksum.raw != 0;
    behavior nothing:
      assumes !has(packet, PROTOCOL_NUMBER_TCP) &&
              (!has(packet, PROTOCOL_NUMBER_UDP) ||
               !is_partial(packet) && udp_of(packet)->checksum.raw == 0);
      ensures \old(tcp_of(packet)->checksum) == tcp_of(packet)->checksum;
      ensures \old(udp_of(packet)->checksum) == udp_of(packet)->checksum;
    complete behaviors;
    disjoint behaviors; */
static inline void rewrite_l4_checksum(const struct packet *packet, uint64_t addresses, uint64_t ports);

/*@ requires bytes % 8 == 0 && bytes <= 0xffff && packet->ip_length <= 0xffff;
    assigns packet->ip->fragment, packet->ip->checksum;
    ensures ip_adds_up{Pre, Post}(packet); */
bool rewrite_offset(const struct packet *packet, uint32_t bytes);

/*@ requires packet->ip->ttl > 0;
    assigns packet->ip->ttl, packet->ip->checksum;
    ensures packet->ip->ttl == \old(packet->ip->ttl) - 1 && ip_adds_up{Pre, Post}(packet); */
static inline void rewrite_ttl(const struct packet *packet);

#endif
