/* Capture files in the place of rings, for replay: libpcap reads and writes them.
 *
 * A source copies each frame out of libpcap's own buffer, which must not be written to, into one
 * with the headroom and the alignment that a receive ring gives, its outer VLAN tag beside it as the
 * kernel has it. A file cut short gives every whole
 * frame before it says so.
 */
#include "ring/pcap.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring/vlan.h"

enum {
	/* As much as libpcap accepts for Ethernet; larger frames make a file damaged. */
	PCAP_FRAME_MAX = 262144,
	/* Puts the IP header on a multiple of 16. */
	PCAP_HEADROOM = 66,
	NS_PER_S = 1000000000,
};

struct pcap_source {
	pcap_t *pcap;
	char *file;
	uint16_t interface;
	uint8_t buffer[PCAP_HEADROOM + PCAP_FRAME_MAX];
};

struct pcap_sink {
	pcap_t *pcap;
	pcap_dumper_t *dumper;
	uint8_t buffer[PCAP_FRAME_MAX];
};

_Static_assert((int)PCAP_HEADROOM >= (int)FRAME_HEADROOM_MIN, "what frame.headroom promises");

/* Takes `stream` over, also where it fails. */
static int open_capture(struct pcap_source *source, FILE *stream, char *error, size_t error_size)
{
	char reason[PCAP_ERRBUF_SIZE];
	int type;

	source->pcap = pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO,
								reason);
	if (!source->pcap) {
		snprintf(error, error_size, "%s: %s", source->file, reason);
		fclose(stream);
		return -EINVAL;
	}
	type = pcap_datalink(source->pcap);
	if (type != DLT_EN10MB) {
		const char *name = pcap_datalink_val_to_name(type);

		snprintf(error, error_size, "%s: frames are of link type %s, not Ethernet",
			 source->file, name ? name : "unknown");
		return -EINVAL;
	}
	return 0;
}

int pcap_source_open(struct pcap_source **ret_source, const char *file, uint16_t interface,
		     char *error, size_t error_size)
{
	struct pcap_source *source = calloc(1, sizeof(*source));
	FILE *stream;
	int status = -ENOMEM;

	if (source)
		source->file = strdup(file);
	if (!source || !source->file)
		goto fail;
	source->interface = interface;
	stream = fopen(file, "rb");
	if (!stream) {
		status = -errno;
		goto fail;
	}
	status = open_capture(source, stream, error, error_size);
	if (status) {
		pcap_source_close(source);
		return status;
	}
	*ret_source = source;
	return 0;
fail:
	snprintf(error, error_size, "%s: %s", file, strerror(-status));
	pcap_source_close(source);
	return status;
}

int pcap_source_next(struct pcap_source *source, struct frame *ret_frame, uint64_t *ret_time_ns,
		     char *error, size_t error_size)
{
	struct pcap_pkthdr *header;
	const uint8_t *bytes;
	int status = pcap_next_ex(source->pcap, &header, &bytes);

	if (status == PCAP_ERROR_BREAK)
		return 0;
	if (status != 1) {
		snprintf(error, error_size, "%s: %s", source->file, pcap_geterr(source->pcap));
		return -EINVAL;
	}
	if (header->caplen > PCAP_FRAME_MAX || header->len < header->caplen) {
		snprintf(error, error_size, "%s: a frame of %u bytes, %u of them captured",
			 source->file, header->len, header->caplen);
		return -EINVAL;
	}
	memcpy(source->buffer + PCAP_HEADROOM, bytes, header->caplen);
	*ret_frame = (struct frame){
		.data = source->buffer + PCAP_HEADROOM,
		.length = header->caplen,
		.wire_length = header->len,
		.headroom = PCAP_HEADROOM,
		.interface = source->interface,
	};
	vlan_take(ret_frame);
	/* A nanosecond capture has nanoseconds where the struct says microseconds. */
	*ret_time_ns = (uint64_t)header->ts.tv_sec * NS_PER_S + (uint64_t)header->ts.tv_usec;
	return 1;
}

void pcap_source_close(struct pcap_source *source)
{
	if (!source)
		return;
	if (source->pcap)
		pcap_close(source->pcap);
	free(source->file);
	free(source);
}

int pcap_sink_open_stream(struct pcap_sink **ret_sink, FILE *stream, char *error,
			  size_t error_size)
{
	struct pcap_sink *sink = calloc(1, sizeof(*sink));
	int status;

	errno = ENOMEM;
	if (sink)
		sink->pcap = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, PCAP_FRAME_MAX,
								  PCAP_TSTAMP_PRECISION_NANO);
	if (sink && sink->pcap)
		sink->dumper = pcap_dump_fopen(sink->pcap, stream);
	if (sink && sink->dumper) {
		*ret_sink = sink;
		return 0;
	}
	status = -errno;
	snprintf(error, error_size, "%s", strerror(-status));
	fclose(stream);
	if (sink && sink->pcap)
		pcap_close(sink->pcap);
	free(sink);
	return status;
}

int pcap_sink_open(struct pcap_sink **ret_sink, const char *file, char *error, size_t error_size)
{
	FILE *stream = fopen(file, "wb");
	char reason[PCAP_ERRBUF_SIZE];
	int status = stream ? 0 : -errno;

	if (status)
		snprintf(reason, sizeof(reason), "%s", strerror(-status));
	else
		status = pcap_sink_open_stream(ret_sink, stream, reason, sizeof(reason));
	if (status)
		snprintf(error, error_size, "%s: %s", file, reason);
	return status;
}

int pcap_sink_write(struct pcap_sink *sink, const struct frame *frame, uint64_t time_ns)
{
	uint32_t length = vlan_length(frame);
	struct pcap_pkthdr header = {
		.ts = {
			.tv_sec = (time_t)(time_ns / NS_PER_S),
			.tv_usec = (suseconds_t)(time_ns % NS_PER_S),
		},
		.caplen = length,
		.len = length + (frame->wire_length > frame->length ?
				 frame->wire_length - frame->length : 0),
	};

	if (length > PCAP_FRAME_MAX)
		return -EMSGSIZE;
	if (frame->vlan_tpid && frame->length < VLAN_TAG_OFFSET)
		return -EINVAL;
	vlan_copy(frame, sink->buffer);
	pcap_dump((uint8_t *)sink->dumper, &header, sink->buffer);
	return ferror(pcap_dump_file(sink->dumper)) ? -EIO : 0;
}

int pcap_sink_flush(struct pcap_sink *sink)
{
	return pcap_dump_flush(sink->dumper) ? -EIO : 0;
}

int pcap_sink_close(struct pcap_sink *sink, char *error, size_t error_size)
{
	FILE *stream = pcap_dump_file(sink->dumper);
	bool whole = !pcap_dump_flush(sink->dumper) && !ferror(stream);
	int status = whole ? 0 : -EIO;

	if (!whole)
		snprintf(error, error_size, "the capture could not be written whole: %s",
			 strerror(errno));
	pcap_dump_close(sink->dumper);
	pcap_close(sink->pcap);
	free(sink);
	return status;
}
