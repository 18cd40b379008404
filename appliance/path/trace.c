#include "appliance/path/trace.h"

#include "appliance/path/traced.h"

static uint64_t clock_of(const struct path *path)
{
	return path->output.clock ? path->output.clock(path->output.context) : 0;
}

/* The first time only: of a packet that is sent in pieces, or tried often, when that began. */
static void take_step(struct path *path, enum trace_step step)
{
	struct trace *trace = path->traced;

	if (trace->steps & 1 << step)
		return;
	trace->steps |= (uint8_t)(1 << step);
	trace->at_ns[step] = (uint32_t)(clock_of(path) - trace->begun_ns);
}

static void note_packet(struct trace *trace, const struct packet *packet)
{
	trace->is_packet = true;
	trace->length = packet->ip_length;
	trace->protocol = packet->protocol;
	trace->tcp_flags = packet->tcp_flags;
	trace->has_ports = packet_has_ports(packet);
	trace->came = (struct trace_ends){
		packet->source, packet->destination, packet->source_port, packet->destination_port,
	};
}

void trace_begin(struct path *path, const struct frame *frame, const struct packet *packet)
{
	struct traces *traces = path->traces;
	struct trace *trace = &traces->trace[traces->count];

	if (path->output.wants_trace && !path->output.wants_trace(path->output.context, frame))
		return;
	*trace = (struct trace){
		.time_ns = path->now_ns,
		.interface = frame->interface,
		.length = frame->length,
		.service = NONE,
		.backend = NONE,
		.out_interface = NONE,
	};
	if (frame->length >= ETHERNET_SIZE)
		trace->ethertype = from_be16(((const struct ethernet *)frame->data)->type);
	if (packet)
		note_packet(trace, packet);
	path->traced = trace;
	path->traced_frame = frame;
	traces->count++;
	path->traces_left--;
	trace->begun_ns = clock_of(path);
}

void trace_end(struct path *path, const struct outcome *outcome)
{
	struct trace *trace = path->traced;

	trace->verdict = outcome->verdict;
	if (outcome->verdict == VERDICT_HELD) {
		take_step(path, TRACE_TX);
		trace->out_interface = outcome->interface;
	}
	path->traced = NULL;
}

void trace_note_found(struct path *path, const struct flow *flow, enum trace_flow how)
{
	struct trace *trace = path->traced;

	take_step(path, TRACE_RX);
	take_step(path, TRACE_FLOW);
	trace->service = flow->service;
	trace->backend = flow->backend;
	trace->mode = flow->mode;
	trace->flow = (uint8_t)how;
}

void trace_note_missed(struct path *path, const struct snapshot_service *service,
		       enum trace_flow how, enum flow_close_reason reason)
{
	struct trace *trace = path->traced;

	take_step(path, TRACE_RX);
	take_step(path, TRACE_FLOW);
	trace->service = service->id;
	trace->mode = service->mode;
	trace->flow = (uint8_t)how;
	trace->reason = (uint8_t)reason;
}

void trace_note_selected(struct path *path, const struct choice *choice)
{
	struct trace *trace = path->traced;

	take_step(path, TRACE_SELECT);
	trace->how = (uint8_t)choice->how;
	trace->slot = choice->slot;
	trace->backend = path->snapshot->backend[choice->backend].id;
}

void trace_note_rewritten(struct path *path, const struct trace_ends *left)
{
	take_step(path, TRACE_REWRITE);
	path->traced->left = *left;
}

void trace_note_sent(struct path *path, uint32_t interface, const struct ethernet *ethernet)
{
	struct trace *trace = path->traced;
	bool again = trace->steps & 1 << TRACE_TX;

	take_step(path, TRACE_TX);
	/* Flooded, it leaves by several. */
	trace->out_interface = again && trace->out_interface != interface ? EVERY_FRONTEND :
									    interface;
	trace->mac = ethernet->destination;
}

uint32_t path_trace_add(struct path *path, uint32_t count)
{
	uint32_t room = TRACES_MAX - path->traces->count;

	path->traces_left = count < room ? count : room;
	return path->traces_left;
}

void path_trace_clear(struct path *path)
{
	path->traces->count = 0;
	path->traces_left = 0;
}

uint32_t path_traces(const struct path *path)
{
	return path->traces->count;
}

const struct trace *path_trace_at(const struct path *path, uint32_t index)
{
	return &path->traces->trace[index];
}
