/* What follows from the contracts in checksum.h, for WP: an update by difference gives, byte for byte, the
 * checksum that adding all anew would have given.
 *
 * `rest` is the sum of all words that stay. The one exception: where everything that is covered is 0
 * afterwards, adding it gives 0xffff for what the difference says is 0 (RFC 1624 section 3). No packet
 * is: an IP header has a version, and a pseudo header a protocol. */
#include "appliance/path/checksum.h"

/*@ lemma folds_alike: \forall integer a, b, x, y;
      folds_to(a, x) && folds_to(b, y) && congruent(a, b) && a > 0 && b > 0 ==> x == y; */

/* As of a header's checksum, when an address and a port change. */
/*@ requires rest <= 0xffffffffffff; */
void address_and_port(uint64_t rest, be32 address, be32 new_address, be16 port, be16 new_port)
{
	be16 was = checksum_field(rest + address.raw + port.raw);
	be16 anew = checksum_field(rest + new_address.raw + new_port.raw);
	be16 is = checksum_update(was, checksum_change32(address, new_address) +
					       checksum_change16(port, new_port));

	//@ assert rest + new_address.raw + new_port.raw > 0 ==> is.raw == anew.raw;
}

/* As of UDP's: without an exception. */
/*@ requires rest <= 0xffffffffffff; */
void in_udp(uint64_t rest, be32 address, be32 new_address, be16 port, be16 new_port)
{
	be16 was = checksum_field_udp(rest + address.raw + port.raw);
	be16 anew = checksum_field_udp(rest + new_address.raw + new_port.raw);
	be16 is = checksum_update_udp(was, checksum_change32(address, new_address) +
						   checksum_change16(port, new_port));

	//@ assert is.raw == anew.raw && is.raw != 0;
}

/* As of the sum that is left to hardware to complete: of the pseudo header. */
/*@ requires rest <= 0xffffffffffff; */
void in_a_partial_sum(uint64_t rest, be32 address, be32 new_address)
{
	be16 was = checksum_fold(rest + address.raw);
	be16 anew = checksum_fold(rest + new_address.raw);
	be16 is = checksum_update_partial(was, checksum_change32(address, new_address));

	//@ assert rest + new_address.raw > 0 ==> is.raw == anew.raw;
}

/* A checksum that was wrong is wrong by as much: `covered` and the field add up to the same. */
/*@ requires covered <= 0xffffffffffff; */
void of_a_corrupt_packet(uint64_t covered, be16 checksum, be32 address, be32 new_address)
{
	be16 is = checksum_update(checksum, checksum_change32(address, new_address));
	be16 in_udp = checksum_update_udp(checksum, checksum_change32(address, new_address));
	bool was_right = checksum_is_right(covered + address.raw + checksum.raw);
	bool is_right = checksum_is_right(covered + new_address.raw + is.raw);
	bool is_right_in_udp = checksum_is_right(covered + new_address.raw + in_udp.raw);

	//@ assert covered > 0 ==> (was_right <==> is_right);
	//@ assert covered > 0 && checksum.raw != 0 ==> (was_right <==> is_right_in_udp);
}
