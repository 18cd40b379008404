/* Integers in network byte order, as types of their own.
 *
 * A be16, be32 or be64 cannot be added, compared or assigned to a host integer without one of the
 * functions below, so a forgotten swap does not compile.
 */
#ifndef PATH_BYTES_H
#define PATH_BYTES_H

#include <stdbool.h>
#include <stdint.h>

/* Aligned to 1, as they lie in frames. */
typedef struct __attribute__((packed)) { uint16_t raw; } be16;
typedef struct __attribute__((packed)) { uint32_t raw; } be32;
typedef struct __attribute__((packed)) { uint64_t raw; } be64;

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ || __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__,
	       "mixed-endian machines are not supported");

static inline uint16_t swap16_if_little(uint16_t v)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap16(v) : v;
}

static inline uint32_t swap32_if_little(uint32_t v)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap32(v) : v;
}

static inline uint64_t swap64_if_little(uint64_t v)
{
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap64(v) : v;
}

static inline uint16_t from_be16(be16 v) { return swap16_if_little(v.raw); }
static inline uint32_t from_be32(be32 v) { return swap32_if_little(v.raw); }
static inline uint64_t from_be64(be64 v) { return swap64_if_little(v.raw); }
static inline be16 to_be16(uint16_t v) { return (be16){swap16_if_little(v)}; }
static inline be32 to_be32(uint32_t v) { return (be32){swap32_if_little(v)}; }
static inline be64 to_be64(uint64_t v) { return (be64){swap64_if_little(v)}; }
static inline bool same16(be16 a, be16 b) { return a.raw == b.raw; }
static inline bool same32(be32 a, be32 b) { return a.raw == b.raw; }

/* True when `address` lies in the network `prefix`/`length` (length 0 to 32). */
static inline bool in_prefix(be32 address, be32 prefix, unsigned length)
{
	uint32_t mask = length ? ~UINT32_C(0) << (32 - length) : 0;

	return ((from_be32(address) ^ from_be32(prefix)) & mask) == 0;
}

#endif
