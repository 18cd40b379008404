/* Hash of a key of up to 64 bits: the finalizer of SplitMix64 (Steele, Lea, Flood, "Fast splittable
 * pseudorandom number generators", 2014; constants of Stafford's variant 13). Every bit of the key
 * reaches every bit of the result. With a secret seed xored to the key its collisions cannot be
 * computed by whoever chooses keys. */
#ifndef PATH_MIX_H
#define PATH_MIX_H

#include <stdint.h>

static inline uint64_t mix64(uint64_t key)
{
	key = (key ^ key >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	key = (key ^ key >> 27) * UINT64_C(0x94d049bb133111eb);
	return key ^ key >> 31;
}

#endif
