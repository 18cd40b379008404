/* What may enter a ring: a libpcap expression, compiled to classic BPF and run by the kernel.
 *
 * The kernel runs it on the frame from the Ethernet header on, virtio header or not, after a VLAN
 * tag was taken out of the bytes: `ip` matches a tagged IPv4 frame too, and `vlan` would look for a
 * tag where there is none any more. Such an expression is refused rather than misunderstood.
 */
#include "ring/internal.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
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

int filter_attach(int fd, const char *expression, char *error, size_t error_size)
{
	struct bpf_program program;
	struct sock_fprog code;
	pcap_t *pcap;
	int status = 0;

	if (names_vlan(expression)) {
		snprintf(error, error_size, "filter \"%s\": vlan cannot be matched, "
			 "the kernel takes the tag out before the filter", expression);
		return -EINVAL;
	}
	pcap = pcap_open_dead(DLT_EN10MB, FILTER_SNAPLEN);
	if (!pcap)
		return ring_error(error, error_size, -ENOMEM, "filter");
	if (pcap_compile(pcap, &program, expression, FILTER_OPTIMIZE, PCAP_NETMASK_UNKNOWN)) {
		snprintf(error, error_size, "filter \"%s\": %s", expression, pcap_geterr(pcap));
		status = -EINVAL;
		goto close;
	}
	code.len = (unsigned short)program.bf_len;
	code.filter = (struct sock_filter *)(void *)program.bf_insns;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof(code)))
		status = ring_error(error, error_size, -errno, "filter \"%s\"", expression);
	pcap_freecode(&program);
close:
	pcap_close(pcap);
	return status;
}
