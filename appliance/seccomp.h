/* System calls: each thread keeps those that it needs once everything is open (libseccomp).
 *
 * A call that is not on the list fails with EPERM and is told once on stderr, by its number. Not
 * the death of the process: the flow table would die with it, and a library that tries something
 * new in a rare case (a name service module that is asked who a console is) must not be able to end
 * the forwarding. Nor silence: the tests look for the sentence, and so can an operator.
 *
 * Builds with a sanitizer are not confined: their runtime makes calls of its own, when it reports
 * most of all.
 */
#ifndef APPLIANCE_SECCOMP_H
#define APPLIANCE_SECCOMP_H

#include <stddef.h>

enum seccomp_role { SECCOMP_CONTROL, SECCOMP_PATH };

/* Confines the calling thread for good; needs PR_SET_NO_NEW_PRIVS. 0, or a negative errno where the
 * kernel cannot: the thread is then as free as before. */
int seccomp_confine(enum seccomp_role role);

#endif
