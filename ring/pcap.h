/* Capture files that stand in for rings: frames in, frames out, by libpcap. */
#ifndef RING_PCAP_H
#define RING_PCAP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "appliance/path/frame.h"

struct pcap_source;
struct pcap_sink;

/* Opens a capture (pcap or pcapng, Ethernet link type, micro- or nanoseconds). 0 or a negative
 * errno with a sentence in `error`. `interface` is written into every frame. */
int pcap_source_open(struct pcap_source **ret_source, const char *file, uint16_t interface,
		     char *error, size_t error_size);
/* The next frame, or NULL frame data at the end: 1 a frame, 0 the end, negative errno with `error`.
 * Its outer VLAN tag stands beside it, as in a frame from a ring.
 * The bytes are writable, have headroom, and stay valid until the next call. */
int pcap_source_next(struct pcap_source *source, struct frame *ret_frame, uint64_t *ret_time_ns,
		     char *error, size_t error_size);
void pcap_source_close(struct pcap_source *source);

/* Creates a capture with nanosecond time stamps. */
int pcap_sink_open(struct pcap_sink **ret_sink, const char *file, char *error, size_t error_size);
/* The same, written to a stream, which is closed with it, or at once where that fails. */
int pcap_sink_open_stream(struct pcap_sink **ret_sink, FILE *stream, char *error,
			  size_t error_size);
/* Writes what is buffered. 0 or a negative errno. */
int pcap_sink_flush(struct pcap_sink *sink);
/* Appends a frame; a VLAN tag beside it is put back into its bytes. */
int pcap_sink_write(struct pcap_sink *sink, const struct frame *frame, uint64_t time_ns);
/* Writes what is buffered and closes. 0 or a negative errno: the file is not complete. */
int pcap_sink_close(struct pcap_sink *sink, char *error, size_t error_size);

#endif
