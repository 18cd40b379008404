/* What became of a packet, step by step, for those that somebody asked for.
 *
 * A record of fixed size for each, filled in by the modules that decide, as they decide; whoever
 * reads it puts names and words to it. Which frames are wanted, and what time it is between two
 * steps, is asked of whoever runs the path (struct path_output): the path knows no filters and
 * reads no clock. While nothing is traced, it costs a look at a word that is 0.
 */
#ifndef PATH_TRACE_H
#define PATH_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/path/flow.h"
#include "appliance/path/verdict.h"
#include "appliance/path/wire.h"

enum { TRACES_MAX = 1000 };

enum trace_step { TRACE_RX, TRACE_FLOW, TRACE_SELECT, TRACE_REWRITE, TRACE_TX, TRACE_STEPS };

/* What the flow table said. */
enum trace_flow {
	TRACE_MISS,
	TRACE_HIT,         /* a client's packet */
	TRACE_REPLY,       /* a backend's */
	TRACE_CLOSED,      /* there was one, and it had ended: a new one is made */
	TRACE_WITHOUT,     /* a reply that is mapped back without one */
};

/* Whom a packet is from and for. */
struct trace_ends {
	be32 source, destination;
	be16 source_port, destination_port;
};

struct trace {
	uint64_t time_ns;              /* of the batch that it came in */
	uint64_t begun_ns;             /* of the clock, if there is one */
	uint32_t at_ns[TRACE_STEPS];   /* since then */
	uint8_t steps;                 /* bit s: step s was taken */

	/* As it came. */
	uint16_t interface, ethertype;
	uint32_t length;               /* of the IP packet, or of the frame where it is none */
	bool is_packet;                /* IPv4, and not malformed: what follows is known */
	bool has_ports;
	uint8_t protocol, tcp_flags;
	struct trace_ends came;

	uint32_t service;              /* id, or NONE; from here on where the step was taken */
	uint8_t flow;                  /* enum trace_flow */
	uint8_t reason;                /* enum flow_close_reason; TRACE_CLOSED */
	uint8_t how;                   /* enum lookup_how */
	uint32_t slot;
	uint32_t backend;              /* id, or NONE: of the flow, or as it was selected */
	uint8_t mode;                  /* enum forward_mode */
	struct trace_ends left;        /* TRACE_REWRITE; where the mode leaves it as it came, unused */
	uint32_t out_interface;        /* where it left or waits; EVERY_FRONTEND; NONE */
	struct mac_address mac;        /* zero while it waits */
	enum verdict verdict;
};

#endif
