/* The table in the middle of a monitor's picture: services with their backends, or reasons for
 * which frames are dropped; in the operator's order, filtered, as much of it as fits. */
#ifndef LB_TABLE_H
#define LB_TABLE_H

#include <jansson.h>
#include <stddef.h>

#include "cli/lb/canvas.h"
#include "cli/lb/picture.h"
#include "cli/lb/trend.h"

struct table_line;

struct table {
	const struct table_column *column;
	struct table_line *line;
	size_t lines, capacity;
};

/* What a document has for it; the texts are borrowed. Lines that memory lacks for are not there. */
void table_of_services(struct table *table, const json_t *monitor, const struct trends *trends,
		       const struct view *view);
void table_of_drops(struct table *table, const json_t *monitor, const struct trends *trends,
		    const struct view *view);
/* Heading and `view->page` lines, from `view->first` on. */
void table_draw(const struct table *table, struct canvas *canvas, struct view *view);
void table_free(struct table *table);

#endif
