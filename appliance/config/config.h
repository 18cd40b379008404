/* The editable model: all objects of a configuration, and the changes that commands make to it.
 *
 * A configuration is cheap to copy: objects are immutable and shared by reference count, a change
 * replaces one. So every transaction works on a copy and throws it away when anything fails.
 * Control thread only.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/config/schema.h"

struct config;

/* Why a change was refused, and which of its words is to blame. */
struct complaint {
	int word;        /* index into the change's attributes; COMPLAINT_WHOLE: the command */
	char text[512];  /* without "error: " and without a final newline */
};

enum { COMPLAINT_WHOLE = -1 };

enum verb { VERB_ADD, VERB_SET, VERB_DELETE };

/* One command that changes the configuration, parsed. */
struct change {
	enum verb verb;
	enum kind kind;
	bool if_exists;          /* VERB_DELETE */
	uint32_t given;          /* bit i: attribute i of the schema was typed */
	void *object;            /* the kind's struct: defaults, then what was typed */
};

/* NULL only where memory lacks. A new one has the global object with its defaults and no other. */
struct config *config_new(void);
struct config *config_copy(const struct config *config);
void config_free(struct config *config);

/* An object of the kind with every attribute at its default; for change.object. */
void *object_new(enum kind kind);
void object_free(void *object);

/* Applies one change: 1 changed, 0 unchanged (an identical add, a delete with if_exists), or a
 * negative errno with a complaint. References are checked here: names must exist, an object in use
 * is not deleted, and the complaint says by whom it is used and suggests near names. */
int config_apply(struct config *config, const struct change *change,
		 struct complaint *ret_complaint);

/* Objects of a kind in the order of their ids (names by natural order, addresses numerically). */
unsigned config_count(const struct config *config, enum kind kind);
const void *config_at(const struct config *config, enum kind kind, unsigned index);
/* By id: the object whose id attributes equal those of `like`; NULL where there is none. */
const void *config_find(const struct config *config, enum kind kind, const void *like);
const void *config_find_name(const struct config *config, enum kind kind, const char *name);
/* Complains that there is none of that name: "no pool "wbe". Did you mean "web"?" Returns -ENOENT. */
int config_missing(const struct config *config, enum kind kind, const char *label, int word,
		   struct complaint *ret_complaint);
const struct config_global *config_global(const struct config *config);

/* Rules that span objects, checked when a transaction is complete: 0, or -EINVAL with a sentence.
 * `warn` is called for what is allowed but hardly meant. */
int config_validate(const struct config *config, void (*warn)(void *context, const char *text),
		    void *context, char *error, size_t error_size);

/* One call for each object that differs: `before` NULL: added; `after` NULL: removed. */
typedef void config_difference(void *context, enum kind kind, const void *before,
			       const void *after);
/* Returns how many objects differ; `visit` may be NULL. */
unsigned config_compare(const struct config *before, const struct config *after,
			config_difference *visit, void *context);

/* A copy of `onto` in which what has changed from `before` to `after` has changed, too: objects that
 * came or went, and settings. *ret_left: how many changes are not in it, since they need what is not
 * there, or remove what is needed there. NULL only where memory lacks. */
struct config *config_merge(const struct config *onto, const struct config *before,
			    const struct config *after, unsigned *ret_left);

/* The configuration as a script that rebuilds it from nothing, one `add` or `set` line an object,
 * attributes at their defaults left out. Allocated; NULL only where memory lacks. */
char *config_text(const struct config *config);
/* One object as its command, without newline; returns the length as snprintf does. */
int object_text(enum kind kind, const void *object, char *ret_text, size_t size);
/* How an object is called in messages: "web", "web/10.0.0.11:80", "global". */
int object_label(enum kind kind, const void *object, char *ret_text, size_t size);

/* The value that an object has: "80", "10.0.0.1/24 10.1.0.1/24", "none". */
void attribute_text(const struct attribute *attribute, const void *object, char *ret_text,
		    size_t size);
/* True where the object names that one. */
bool object_refers(enum kind kind, const void *object, enum kind to, const char *name);

/* The word of `count` words that is nearest to `typed` within a small edit distance, or NULL. */
const char *suggest(const char *typed, const char *const *words, size_t count);

#endif
