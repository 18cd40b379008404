/* Reports and configurations as text for people and as JSON for programs.
 *
 * The text of a list is a table whose heading is told apart, so that filters pass it by. JSON is
 * one document on one line: {"schema":1,NAME:...}, keys in the order of the columns, integers raw.
 * Everything returned is allocated, and NULL only where memory lacks.
 */
#ifndef CLI_RENDER_H
#define CLI_RENDER_H

#include "appliance/config/config.h"
#include "cli/appliance.h"
#include "cli/report.h"

typedef void render_part(void *context, bool heading, const char *text, size_t size);

/* 0, or -ENOMEM. `part` hears the text piece by piece, whole lines. */
int render_text(const struct report *report, render_part *part, void *context);
char *render_json(const struct report *report);

char *render_config_json(const struct config *config);
/* {"schema":1,NAME:{KEY:number,...}} and the like, for the few documents that are no report. */
/* `waiting`: what waits to be confirmed, or NULL. */
char *render_commit_json(uint64_t revision, bool changed, const struct waiting *waiting);
char *render_confirm_json(uint64_t revision);
char *render_revision_json(uint64_t revision, const char *text);
char *render_export_json(const char *text);
/* `lines`: negative where it is closed. */
char *render_candidate_json(uint64_t revision, long lines);
char *render_trace_json(uint32_t packets);
char *render_capture_json(const char *file, uint64_t frames, uint64_t lost);
char *render_clear_json(uint64_t flows);

#endif
