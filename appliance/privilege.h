/* Capabilities: what lbd may do, as little as possible and as briefly as possible (libcap).
 *
 * After privilege_drop() the process has CAP_NET_RAW and CAP_NET_ADMIN permitted and neither in
 * effect; privilege_raise() puts them into effect for the moment in which a ring is opened.
 */
#ifndef APPLIANCE_PRIVILEGE_H
#define APPLIANCE_PRIVILEGE_H

#include <stddef.h>

/* Changes to `user` (NULL: stays who it is) with the groups that the user has, and lets every other
 * capability go. 0, or a negative errno with a sentence. */
int privilege_drop(const char *user, char *error, size_t error_size);

void privilege_raise(void);
void privilege_lower(void);

#endif
