/* Counters and states for Prometheus: GET /metrics over HTTP, text exposition format 0.0.4.
 *
 * Made of the same copies as the reports, anew for each scrape. libmicrohttpd does the HTTP without
 * a thread of its own: it is driven from the control thread's epoll like everything else there. It
 * only reads, serves nothing else, and cuts off a client that dawdles.
 */
#ifndef APPLIANCE_METRICS_H
#define APPLIANCE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "appliance/control.h"

struct metrics;

/* Listens at `endpoint`. The control is borrowed. 0, or a negative errno with a sentence in
 * `error`. */
int metrics_open(struct metrics **ret_metrics, const struct endpoint *endpoint,
		 struct control *control, char *error, size_t error_size);
void metrics_close(struct metrics *metrics);

/* Readable when metrics_run() has something to do; for epoll. */
int metrics_fd(const struct metrics *metrics);
/* When it has something to do by the clock (monotonic, ns); UINT64_MAX: never. */
uint64_t metrics_deadline(const struct metrics *metrics, uint64_t now_ns);
/* Handles whatever is ready, without blocking. */
void metrics_run(struct metrics *metrics);

/* What a scrape gets: allocated, of ret_size bytes. 0 or -ENOMEM. */
int metrics_text(struct control *control, char **ret_text, size_t *ret_size);

#endif
