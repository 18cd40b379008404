/* libpcap expressions, compiled to classic BPF: for what may enter a ring, run by the kernel, and
 * for which frames are wanted of those that have entered.
 *
 * The kernel runs one on the frame from the Ethernet header on, virtio header or not, after a VLAN
 * tag was taken out of the bytes: `ip` matches a tagged IPv4 frame too, and `vlan` would look for a
 * tag where there is none any more. Such an expression is refused rather than misunderstood.
 */
#include "ring/filter.h"
#include "ring/internal.h"
#include "ring/vlan.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/filter.h>

enum {
	/* What an accepting filter returns: how many bytes to keep. The most that libpcap knows,
	 * and no less than a receive block. */
	FILTER_SNAPLEN = 262144,
	FILTER_OPTIMIZE = 1,
};

_Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter), "same code");
_Static_assert(offsetof(struct bpf_insn, k) == offsetof(struct sock_filter, k), "layout");

static bool names_vlan(const char *expression)
{
	static const char separators[] = " \t\n()!&|[]";
	const char *word = expression;

	while (*(word += strspn(word, separators))) {
		size_t length = strcspn(word, separators);

		if (length == strlen("vlan") && !strncmp(word, "vlan", length))
			return true;
		word += length;
	}
	return false;
}

/* 0, or a negative errno with a sentence. */
static int compile(const char *expression, struct bpf_program *ret_program, char *error,
		   size_t error_size)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FILTER_SNAPLEN);
	int status = 0;

	if (!pcap)
		return ring_error(error, error_size, -ENOMEM, "filter");
	if (pcap_compile(pcap, ret_program, expression, FILTER_OPTIMIZE, PCAP_NETMASK_UNKNOWN)) {
		snprintf(error, error_size, "filter \"%s\": %s", expression, pcap_geterr(pcap));
		status = -EINVAL;
	}
	pcap_close(pcap);
	return status;
}

int filter_attach(int fd, const char *expression, char *error, size_t error_size)
{
	struct bpf_program program;
	struct sock_fprog code;
	int status;

	if (names_vlan(expression)) {
		snprintf(error, error_size, "filter \"%s\": vlan cannot be matched, "
			 "the kernel takes the tag out before the filter", expression);
		return -EINVAL;
	}
	status = compile(expression, &program, error, error_size);
	if (status)
		return status;
	code.len = (unsigned short)program.bf_len;
	code.filter = (struct sock_filter *)(void *)program.bf_insns;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof(code)))
		status = ring_error(error, error_size, -errno, "filter \"%s\"", expression);
	pcap_freecode(&program);
	return status;
}

struct frame_filter {
	struct bpf_program program;
	uint8_t tagged[FILTER_SNAPLEN]; /* a frame with its tag in its bytes, where it has one */
};

int frame_filter_new(struct frame_filter **ret_filter, const char *expression, char *error,
		     size_t error_size)
{
	struct frame_filter *filter = calloc(1, sizeof(*filter));
	int status;

	if (!filter)
		return ring_error(error, error_size, -ENOMEM, "filter");
	status = compile(expression, &filter->program, error, error_size);
	if (status) {
		free(filter);
		return status;
	}
	*ret_filter = filter;
	return 0;
}

void frame_filter_free(struct frame_filter *filter)
{
	if (!filter)
		return;
	pcap_freecode(&filter->program);
	free(filter);
}

bool frame_filter_matches(struct frame_filter *filter, const struct frame *frame)
{
	struct pcap_pkthdr header = {.caplen = vlan_length(frame)};
	const uint8_t *bytes = frame->data;

	header.len = header.caplen + (frame->wire_length > frame->length ?
				      frame->wire_length - frame->length : 0);
	if (frame->vlan_tpid) {
		if (frame->length < VLAN_TAG_OFFSET || header.caplen > FILTER_SNAPLEN)
			return false;
		vlan_copy(frame, filter->tagged);
		bytes = filter->tagged;
	}
	return pcap_offline_filter(&filter->program, &header, bytes);
}
