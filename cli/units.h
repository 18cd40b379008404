/* Numbers as people read them at a glance. */
#ifndef CLI_UNITS_H
#define CLI_UNITS_H

#include <stdint.h>

enum { SCALED_SIZE = 24 };

/* Four characters at most, in powers of 1000: "999", "1.2k", "12k", "123k", "1.2M". */
void format_scaled(uint64_t value, char ret_text[static SCALED_SIZE]);

#endif
