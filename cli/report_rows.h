/* A report from the inside, for those who render it. */
#ifndef CLI_REPORT_ROWS_H
#define CLI_REPORT_ROWS_H

#include "cli/report.h"

enum cell_type { CELL_NULL, CELL_TEXT, CELL_NUMBER, CELL_FLAG };

struct cell {
	enum cell_type type;
	char *text;
	uint64_t number; /* CELL_FLAG: 0 or 1 */
};

struct section {
	const char *key;
	enum report_shape shape;
	const struct column *column;
	size_t columns;
	struct cell *cell;   /* row by row */
	size_t cells, capacity;
	size_t rows;
};

struct report {
	char *name;
	struct section *section;
	size_t sections;
	bool failed;
};

/* The cell of a row's column; where the row is short, a null. */
const struct cell *section_cell(const struct section *section, size_t row, size_t column);
/* The first row's cell under a key, in any section; NULL where there is none. */
const struct cell *report_find(const struct report *report, const char *key);

#endif
