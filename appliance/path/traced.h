/* The hooks of trace.h, for the modules that decide: each does nothing but for a packet that is
 * traced, which is rare. */
#ifndef PATH_TRACED_H
#define PATH_TRACED_H

#include "appliance/path/deliver.h"
#include "appliance/path/internal.h"
#include "appliance/path/select.h"

#define COLD __attribute__((cold))

/* Around everything else, of a received frame; `packet` is NULL where it is no IPv4 packet. */
COLD void trace_begin(struct path *path, const struct frame *frame, const struct packet *packet);
COLD void trace_end(struct path *path, const struct outcome *outcome);

COLD void trace_note_found(struct path *path, const struct flow *flow, enum trace_flow how);
COLD void trace_note_missed(struct path *path, const struct snapshot_service *service,
			    enum trace_flow how, enum flow_close_reason reason);
COLD void trace_note_selected(struct path *path, const struct choice *choice);
COLD void trace_note_rewritten(struct path *path, const struct trace_ends *left);
COLD void trace_note_sent(struct path *path, uint32_t interface, const struct ethernet *ethernet);

static inline bool is_traced(const struct path *path)
{
	return __builtin_expect(path->traced != NULL, false);
}

/* The packet has a flow that is used. */
static inline void trace_found(struct path *path, const struct flow *flow, enum trace_flow how)
{
	if (is_traced(path))
		trace_note_found(path, flow, how);
}

/* It has none, or none any more. */
static inline void trace_missed(struct path *path, const struct snapshot_service *service,
				enum trace_flow how, enum flow_close_reason reason)
{
	if (is_traced(path))
		trace_note_missed(path, service, how, reason);
}

static inline void trace_selected(struct path *path, const struct choice *choice)
{
	if (is_traced(path))
		trace_note_selected(path, choice);
}

static inline void trace_delivered(struct path *path, const struct delivery *delivery)
{
	if (is_traced(path))
		trace_note_rewritten(path, &(struct trace_ends){
			.source = delivery->source_address, .destination = delivery->address,
			.source_port = delivery->source_port, .destination_port = delivery->port,
		});
}

static inline void trace_answered(struct path *path, const struct answer *answer)
{
	if (is_traced(path))
		trace_note_rewritten(path, &(struct trace_ends){
			.source = answer->vip, .destination = answer->client,
			.source_port = answer->vip_port, .destination_port = answer->client_port,
		});
}

/* It leaves, or a piece of it does. */
static inline void trace_sent(struct path *path, uint32_t interface,
			      const struct ethernet *ethernet)
{
	if (is_traced(path))
		trace_note_sent(path, interface, ethernet);
}

#endif
