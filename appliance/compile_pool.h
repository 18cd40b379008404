/* Maglev tables as compiled snapshots share them: built once, kept while a snapshot names them. */
#ifndef APPLIANCE_COMPILE_POOL_H
#define APPLIANCE_COMPILE_POOL_H

#include "appliance/path/maglev.h"
#include "appliance/compile.h"

/* The table for these members: that of `current` where nothing has changed, else a new one, built
 * and certified. Members are copied. 0, -ENOMEM, or -EBADMSG where the certificate is refused. */
int compiled_pool_get(const struct compiled *current, const char *name,
		      const struct maglev_member *member, uint32_t members, uint64_t seed,
		      struct compiled_pool **ret_pool);
void compiled_pool_put(struct compiled_pool *pool);

#endif
