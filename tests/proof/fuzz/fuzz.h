/* What every fuzzer here is: libfuzzer.c drives it to search, files.c over files that are kept. */
#ifndef TESTS_PROOF_FUZZ_FUZZ_H
#define TESTS_PROOF_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Once, before all inputs. */
void fuzz_init(void);
/* One input: aborts where a promise is broken. Returns a digest of what came of it, the same whenever
 * and wherever it runs; `tell`: says on stdout what happens. */
uint64_t fuzz_one(const uint8_t *data, size_t size, int tell);

#endif
