/* Who changed something, and in which revision: found in the texts of the revisions, where an
 * object is a line. */
#ifndef CLI_BLAME_H
#define CLI_BLAME_H

#include <stdint.h>

#include "cli/engine.h"

enum { BLAME_SIZE = 128 };

/* " since r44 by bob", or "" where no revision that is kept after `since` tells. `object`: as it
 * is or was. `attribute`: which of the schema's has changed; -1: any, or the whole object. */
void blame(const struct session *session, uint64_t since, enum kind kind, const void *object,
	   int attribute, char ret_text[BLAME_SIZE]);

#endif
