/* Random numbers that a seed decides: splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom
 * number generators", 2014), whose finalizer the packet path has as a hash. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include "appliance/path/mix.h"

static inline uint64_t random_next(uint64_t *state)
{
	return mix64(*state += UINT64_C(0x9e3779b97f4a7c15));
}

#endif
