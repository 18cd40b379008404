/* A text of configuration commands, applied to a configuration: what a revision is kept as, and
 * what a commit that was not confirmed goes back to. For texts that lbd has written itself: of
 * what it cannot read, the first line is told, without a picture of it. */
#ifndef CLI_SCRIPT_H
#define CLI_SCRIPT_H

#include <stddef.h>

#include "appliance/config/config.h"

/* 0, or a negative errno with "line 12: no pool "web"" in `error`; `config` is then half done. */
int script_apply(struct config *config, const char *text, size_t size, char *error,
		 size_t error_size);
/* The configuration that the text makes of nothing; NULL with a sentence in `error`. */
struct config *script_config(const char *text, char *error, size_t error_size);

#endif
