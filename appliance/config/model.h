/* How config_apply() changes a configuration. The rest of the appliance sees config.h. */
#ifndef CONFIG_MODEL_H
#define CONFIG_MODEL_H

#include "appliance/config/config.h"

/* By id: true and where it is, or false and where it belongs. */
bool config_seek(const struct config *config, enum kind kind, const void *like,
		 unsigned *ret_index);
/* Takes over the object, in the place of one with the same id. 0 or -ENOMEM (then not taken). */
int config_put(struct config *config, enum kind kind, void *object);
void config_remove(struct config *config, enum kind kind, unsigned index);

#endif
