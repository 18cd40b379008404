/* For Eva: adding up bytes reads those that it is told, and no others, and each of them adds a quarter of
 * 2^32 at most. sum.c looks at that; here only those who call it are looked at. */
#ifndef PROOF_READS_H
#define PROOF_READS_H

#include <stdint.h>

/* The compiler's, in C. */
#define __builtin_bswap16(x) ((uint16_t)((x) >> 8 | (x) << 8))
#define __builtin_bswap32(x) ((x) >> 24 | ((x) >> 8 & 0xff00) | ((x) << 8 & 0xff0000) | (x) << 24)

#include "appliance/path/checksum.h"

/*@ requires length == 0 || \valid_read((uint8_t *)bytes + (0 .. length - 1));
    ensures \result <= sum + length * 0x40000000; */
uint64_t checksum_add(uint64_t sum, const void *bytes, size_t length);

#endif
