/* The Internet checksum (RFC 1071): whole sums for what the appliance makes or verifies,
 * differences for what it rewrites.
 *
 * A sum is the plain addition of 16-bit words as they lie in memory. Its carries are folded back at
 * the end, and byte order never matters (RFC 1071 section 2), so nothing here is swapped. The field
 * in a header is the complement of the folded sum, but for a partial checksum (frame.h), which is
 * the folded sum itself.
 *
 * A change is what a rewrite adds to a sum: collect it over all fields with checksum_change16() and
 * checksum_change32(), then carry it into every checksum that covers them. Packets that came
 * corrupted stay visibly so.
 */
#ifndef PATH_CHECKSUM_H
#define PATH_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/path/bytes.h"
#include "appliance/path/frame.h"
#include "appliance/path/packet.h"

/* Sums are the same where they are so modulo 65535, but that only nothing adds up to 0: all else that
 * is a multiple of 65535 folds to 0xffff. */
/*@ predicate congruent(integer a, integer b) = (a - b) % 0xffff == 0;
    predicate folds_to(integer sum, integer folded) =
      0 <= folded <= 0xffff && congruent(sum, folded) && (folded == 0 <==> sum == 0); */

/* `sum` and the words of `length` bytes. An odd last byte is the first half of a word, so every
 * piece of a sum but the last has an even length. */
/*@ assigns \nothing; */
uint64_t checksum_add(uint64_t sum, const void *bytes, size_t length);

/* The sum of what TCP and UDP cover beyond their own bytes; `length` is that of header and payload
 * (RFC 768, RFC 9293 section 3.1). */
uint64_t checksum_pseudo_header(be32 source, be32 destination, uint8_t protocol, uint16_t length);

/* Adds what a sum has carried beyond its lower 32 or 16 bits to them. */
/*@ requires unit == 0x100000000 || unit == 0x10000;
    assigns \nothing;
    ensures \result == sum / unit + sum % unit;
    ensures congruent(sum, \result) && (\result == 0 <==> sum == 0); */
static inline uint64_t checksum_carry(uint64_t sum, uint64_t unit)
{
	return sum / unit + sum % unit;
}

/* The sum's 16 bits, uncomplemented. */
/*@ assigns \nothing;
    ensures folds_to(sum, \result.raw); */
static inline be16 checksum_fold(uint64_t sum)
{
	sum = checksum_carry(sum, 0x100000000);
	sum = checksum_carry(sum, 0x10000);
	sum = checksum_carry(sum, 0x10000);
	return (be16){(uint16_t)checksum_carry(sum, 0x10000)};
}

/* The field for a sum over bytes in which the field itself is zero. */
/*@ assigns \nothing;
    ensures folds_to(sum, 0xffff - \result.raw); */
static inline be16 checksum_field(uint64_t sum)
{
	return (be16){(uint16_t)(UINT16_MAX - checksum_fold(sum).raw)};
}

/* Of bytes in which the field is zero: the IP header's, and ICMP's. */
static inline be16 checksum_of(const void *bytes, size_t length)
{
	return checksum_field(checksum_add(0, bytes, length));
}

/* The field in UDP, where zero says that there is no checksum: a computed zero is sent as 0xffff,
 * its equal (RFC 768). */
/*@ assigns \nothing;
    ensures congruent(sum, 0xffff - \result.raw) && \result.raw != 0; */
static inline be16 checksum_field_udp(uint64_t sum)
{
	be16 field = checksum_field(sum);

	return field.raw ? field : (be16){0xffff};
}

/* True where a sum over bytes that include their checksum field says that they are as sent. */
/*@ assigns \nothing;
    ensures \result <==> sum > 0 && sum % 0xffff == 0; */
static inline bool checksum_is_right(uint64_t sum)
{
	return checksum_fold(sum).raw == 0xffff;
}

/* ~m + m' of RFC 1624, equation 3. */
/*@ assigns \nothing;
    ensures \result == 0xffff - from.raw + to.raw; */
static inline uint64_t checksum_change16(be16 from, be16 to)
{
	return (uint64_t)(UINT16_MAX - from.raw) + to.raw;
}

/*@ assigns \nothing;
    ensures \result == 0xffffffff - from.raw + to.raw; */
static inline uint64_t checksum_change32(be32 from, be32 to)
{
	return (uint64_t)(UINT32_MAX - from.raw) + to.raw;
}

/* HC' = ~(~HC + ~m + m'), the same equation. */
/*@ requires change <= UINT64_MAX - UINT16_MAX;
    assigns \nothing;
    ensures folds_to(0xffff - checksum.raw + change, 0xffff - \result.raw); */
static inline be16 checksum_update(be16 checksum, uint64_t change)
{
	return checksum_field(UINT16_MAX - checksum.raw + change);
}

/* As above in UDP: no checksum stays none. */
/*@ requires change <= UINT64_MAX - UINT16_MAX;
    assigns \nothing;
    ensures congruent(0xffff - checksum.raw + change, 0xffff - \result.raw) || checksum.raw == 0;
    ensures \result.raw == 0 <==> checksum.raw == 0; */
static inline be16 checksum_update_udp(be16 checksum, uint64_t change)
{
	return checksum.raw ? checksum_field_udp(UINT16_MAX - checksum.raw + change) : checksum;
}

/* As above in a partial checksum, which covers the pseudo header only: no change of a port. */
/*@ requires change <= UINT64_MAX - UINT16_MAX;
    assigns \nothing;
    ensures folds_to(sum.raw + change, \result.raw); */
static inline be16 checksum_update_partial(be16 sum, uint64_t change)
{
	return checksum_fold(sum.raw + change);
}

/* Completes the checksum that the sender left to its hardware, where the frame is marked so
 * (OFFLOAD_CHECKSUM_PARTIAL), and takes the mark away. False, and nothing changed, for a
 * super-frame, whose segments have checksums of their own, and where the mark points outside of the
 * packet. */
bool checksum_finish(struct packet *packet);

/* True where the L4 checksum of a whole packet (no fragment) is right, or need not be looked at:
 * the hardware has done so, the sender left it to do, or UDP has none. */
bool checksum_verify(const struct packet *packet);

#endif
