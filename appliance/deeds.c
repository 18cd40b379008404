#include "appliance/deeds.h"

enum { DEEDS_TOLD = 8, LABEL_SIZE = 2 * NAME_SIZE + 32 };

struct deeds {
	struct journal *journal;
	const char *user;
	unsigned long long revision;
	unsigned count;
	unsigned others;        /* that are none of it */
};

/* An object that is made or removed is none of it: what was there and is there still. */
static void take_difference(void *context, enum kind kind, const void *before, const void *after)
{
	const struct attribute *attribute = schema_attribute(kind, "admin");
	struct deeds *deeds = context;
	char label[LABEL_SIZE], admin[TEXT_SIZE];

	if (!attribute || !before || !after ||
	    value_equal(attribute->type, (const char *)before + attribute->offset,
			(const char *)after + attribute->offset)) {
		deeds->others++;
		return;
	}
	if (deeds->count++ >= DEEDS_TOLD)
		return;
	object_label(kind, after, label, sizeof(label));
	value_format(attribute, (const char *)after + attribute->offset, 0, admin, sizeof(admin));
	journal_deed(deeds->journal, "%s %s %s by %s (r%llu)", schema_of(kind)->name, label, admin,
		     deeds->user, deeds->revision);
}

void deeds_tell(struct journal *journal, const struct config *before, const struct config *after,
		const struct revision *revision)
{
	struct deeds deeds = {
		.journal = journal, .user = revision->user, .revision = revision->number,
	};

	config_compare(before, after, take_difference, &deeds);
	if (deeds.count > DEEDS_TOLD)
		journal_deed(journal, "%u more went into service or out of it by %s (r%llu)",
			     deeds.count - DEEDS_TOLD, deeds.user, deeds.revision);
	if (deeds.others)
		journal_deed(journal, "r%llu by %s: %u object%s changed%s%s", deeds.revision,
			     deeds.user, deeds.others, deeds.others == 1 ? "" : "s",
			     *revision->comment ? ", " : "", revision->comment);
}
