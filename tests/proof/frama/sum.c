/* Bytes added up, for Eva: as many are read as are told, at any place in memory. */
#include <__fc_builtin.h>

#include "appliance/path/checksum.h"

enum { BYTES_MAX = 256 };

static uint8_t memory[BYTES_MAX];

void every_length(void)
{
	//@ loop unroll 257;
	for (size_t length = 0; length <= BYTES_MAX; length++) {
		Frama_C_make_unknown((char *)memory, sizeof(memory));
		uint64_t sum = checksum_add(0, memory + BYTES_MAX - length, length);
		//@ assert sum <= length * 0x40000000;
	}
}
