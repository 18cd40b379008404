/* What the provers are told beside the shipped files: put before each of them by tests/proof/frama/run.
 *
 * Lemmas are proved with the rest; they lead the provers there. Axioms are believed, and are what C says
 * of unsigned integers: WP leaves it out of what it gives to them. */
#ifndef PROOF_THEORY_H
#define PROOF_THEORY_H

#include <stdint.h>

/* The compiler's, which the C library's headers for Frama-C lack. */
/*@ assigns \nothing;
    ensures \result == x % 0x100 * 0x100 + x / 0x100; */
uint16_t __builtin_bswap16(uint16_t x);
/*@ assigns \nothing; */
uint32_t __builtin_bswap32(uint32_t x);
/*@ assigns \nothing; */
uint64_t __builtin_bswap64(uint64_t x);

/*@ lemma multiple: \forall integer k; (0xffff * k) % 0xffff == 0;
    lemma multiple_sum: \forall integer a, b;
      a % 0xffff == 0 && b % 0xffff == 0 ==> (a + b) % 0xffff == 0;
    lemma multiple_between: \forall integer a, b, c;
      (a - b) % 0xffff == 0 && (b - c) % 0xffff == 0 ==> (a - c) % 0xffff == 0;
    lemma fold_32: \forall integer s; s >= 0 ==>
      (s - (s % 0x100000000 + s / 0x100000000)) % 0xffff == 0;
    lemma fold_16: \forall integer s; s >= 0 ==> (s - (s % 0x10000 + s / 0x10000)) % 0xffff == 0; */

#endif
