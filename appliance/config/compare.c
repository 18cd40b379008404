/* What differs between two configurations: one walk along both sorted lists of each kind. */
#include "appliance/config/object.h"

struct comparison {
	config_difference *visit;
	void *context;
	unsigned differences;
};

static void tell(struct comparison *comparison, enum kind kind, const void *before,
		 const void *after)
{
	comparison->differences++;
	if (comparison->visit)
		comparison->visit(comparison->context, kind, before, after);
}

static void compare_kind(struct comparison *comparison, enum kind kind, const struct config *before,
			 const struct config *after)
{
	unsigned i = 0, i_end = config_count(before, kind);
	unsigned j = 0, j_end = config_count(after, kind);

	while (i < i_end || j < j_end) {
		const void *old = i < i_end ? config_at(before, kind, i) : NULL;
		const void *new = j < j_end ? config_at(after, kind, j) : NULL;
		int order = !old ? 1 : !new ? -1 : old == new ? 0 : object_order(kind, old, new);

		if (order < 0)
			tell(comparison, kind, old, NULL);
		else if (order > 0)
			tell(comparison, kind, NULL, new);
		else if (old != new && !object_equal(kind, old, new))
			tell(comparison, kind, old, new);
		i += order <= 0;
		j += order >= 0;
	}
}

unsigned config_compare(const struct config *before, const struct config *after,
			config_difference *visit, void *context)
{
	struct comparison comparison = {visit, context, 0};

	for (enum kind kind = 0; kind < KIND_COUNT; kind++)
		compare_kind(&comparison, kind, before, after);
	return comparison.differences;
}
