/* Objects inside the model: made, shared, compared. The rest of the appliance sees config.h. */
#ifndef CONFIG_OBJECT_H
#define CONFIG_OBJECT_H

#include "appliance/config/config.h"

/* A new reference to an object that nobody may change any more; object_free() gives it back. */
void *object_share(const void *object);
/* A changeable copy; NULL only where memory lacks. */
void *object_duplicate(enum kind kind, const void *object);
/* Order by the id attributes. */
int object_order(enum kind kind, const void *a, const void *b);
bool object_equal(enum kind kind, const void *a, const void *b);
/* True where the attribute has its default, or no value. */
bool attribute_is_initial(const struct attribute *attribute, const void *object);

/* A list of objects for a sentence: the first few by name, the others by number. */
enum {
	LABEL_SIZE = NAME_SIZE + 32, /* a name and an address */
	NAMED_MAX = 3,
};
struct naming {
	unsigned count;  /* 0 to begin with */
	size_t length;
	char text[NAMED_MAX * (LABEL_SIZE + 16) + 32];
};
void naming_add(struct naming *naming, enum kind kind, const void *object);
/* "service "web", backend "web/10.0.0.11:80", backend "web/10.0.0.12:80" and 7 more" */
const char *naming_text(struct naming *naming);

static inline const void *attribute_in(const struct attribute *attribute, const void *object)
{
	return (const char *)object + attribute->offset;
}

#endif
