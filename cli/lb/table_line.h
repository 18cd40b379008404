/* What the lines of a monitor's table are made of: shared by who gathers them (table_lines.c) and
 * who draws them (table.c). */
#ifndef LB_TABLE_LINE_H
#define LB_TABLE_LINE_H

#include "cli/lb/table.h"

enum kind { LINE_SERVICE, LINE_POOL, LINE_BACKEND, LINE_REASON };

struct table_line {
	enum kind kind;
	const json_t *row;            /* LINE_POOL: of its first backend */
	size_t place;                 /* as the document has it */
	bool known;                   /* of the rates: there were two looks */
	uint64_t value[SORTS];        /* by what it is sorted; [SORT_NAME] is not used */
	const struct trend *trend;    /* NULL: none */
	uint64_t peak, most;          /* of the group: ever in its trends, and now */
};

struct table_column {
	const char *title;
	int width;
	bool right;
	unsigned rank;     /* the highest goes first where the screen is narrow; 0 stays */
	enum sort value;   /* SORT_NAME: a text, below */
	const char *key;   /* of the text, of backends */
};

/* What is shown of services and backends, and of reasons for drops; each ends with no title. */
extern const struct table_column table_service_columns[], table_drops_columns[];

/* Empty where there is none. */
static inline const char *table_text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

#endif
