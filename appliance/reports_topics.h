/* The topics of `show` from the inside: what each function gets, and what they share. */
#ifndef APPLIANCE_REPORTS_TOPICS_H
#define APPLIANCE_REPORTS_TOPICS_H

#include "appliance/overview.h"
#include "appliance/reports.h"

struct show {
	struct control *control;
	const struct filter *filter;
	struct report *report;
	char *error;
	size_t error_size;
};

/* Each fills in its report: 0, or a negative errno with a sentence, -ENOMEM without one. */
int show_status(struct show *show);
int show_version(struct show *show);
int show_revisions(struct show *show);
int show_events(struct show *show);
int show_stats(struct show *show);
int show_drops(struct show *show);
int show_interface(struct show *show);
int show_neighbor(struct show *show);
int show_route(struct show *show);
int show_service(struct show *show);
int show_pool(struct show *show);
int show_backend(struct show *show);
int show_check(struct show *show);
int show_flow(struct show *show);
int show_trace(struct show *show);

#define COLUMNS(array) (array), sizeof(array) / sizeof((array)[0])

/* -ENOENT: no pool "wbe". Did you mean "web"? */
int show_missing(struct show *show, enum kind kind, const char *label);
/* 0, or -ENOENT as above: the name that the filter gives, if any, is one of this kind. */
int show_known(struct show *show, enum kind kind, const char *name);
/* Likewise for its backend, with the pool that the name gives, if any. */
int show_known_backend(struct show *show);
/* True where the filter names no object, or this one. */
bool show_wants(const struct show *show, const char *name);

const char *lookup_how_text(enum lookup_how how);
/* True for a choice that the table had a part in. */
bool lookup_has_slot(enum lookup_how how);

/* A section of the last events, in the order in which they happened. */
void report_events(struct report *report, const char *key, const struct journal *journal,
		   unsigned limit);

void report_address(struct report *report, be32 address);
/* Null where it is zero. */
void report_mac(struct report *report, const struct mac_address *mac);
/* Null where it is empty. */
void report_name(struct report *report, const char *text);
/* The attribute's value as the console writes it, a keyword for instance. */
void report_attribute(struct report *report, enum kind kind, const char *attribute,
		      const void *object);

#endif
