/* Capabilities: what lbd may do, as little as possible and as briefly as possible (libcap).
 *
 * After privilege_drop() the process has CAP_NET_RAW, CAP_NET_ADMIN and, up to privilege_settle(),
 * CAP_IPC_LOCK and CAP_BPF permitted and none in effect; privilege_raise() puts them into effect for
 * the moment in which a ring is opened, memory is locked or the wake-up's program is loaded. The
 * packet path's thread has none at all.
 */
#ifndef APPLIANCE_PRIVILEGE_H
#define APPLIANCE_PRIVILEGE_H

#include <stddef.h>

/* Changes to `user` (NULL: stays who it is) with the groups that the user has, joins `group` where
 * that exists, so that the socket can be given to it, and lets every other capability go. 0, or a
 * negative errno with a sentence. */
int privilege_drop(const char *user, const char *group, char *error, size_t error_size);

void privilege_raise(void);
void privilege_lower(void);

/* Everything is started: only rings will still be opened. */
void privilege_settle(void);
/* For the calling thread, which needs none. */
void privilege_renounce(void);

#endif
