/* prober: one packet at a time through the appliance and back, timed as a client would time it.
 *
 *     prober NAMESPACE:IF CPU TO-MAC FROM TO PORT COUNT SPACING_US
 *
 * A packet socket sends a probe (packet.h) and is asked, over and over, for the answer; the servers' side
 * sends back in the kernel. The next one goes out SPACING_US after the one before it. The CPU is kept
 * all the while: what it takes to wake the client is not the appliance's. Prints JSON: how many came
 * back, and quantiles of the round trip in nanoseconds; ends with its standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include "tests/bench/packet.h"

enum {
	COUNT_MAX = 1000000,
	ANSWER_NS = 100000000,  /* what takes longer is lost, and counted as this */
	FLOWS = 16,             /* by turns */
};

static void need(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "prober: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int open_in(char *place, struct sockaddr_ll *ret_address)
{
	char *interface = strchr(place, ':'), path[256];
	socklen_t size = sizeof(*ret_address);
	int fd;

	need(interface != NULL, "not NAMESPACE:INTERFACE");
	*interface++ = '\0';
	snprintf(path, sizeof(path), "/run/netns/%s", place);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	need(fd >= 0 && !setns(fd, CLONE_NEWNET), place);
	*ret_address = (struct sockaddr_ll){.sll_family = AF_PACKET,
					    .sll_protocol = htons(ETH_P_ALL), /* before tc */
					    .sll_ifindex = (int)if_nametoindex(interface)};
	need(ret_address->sll_ifindex > 0, interface);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	need(fd >= 0 && !setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &(int){1}, sizeof(int)) &&
		     !bind(fd, (struct sockaddr *)ret_address, sizeof(*ret_address)) &&
		     !getsockname(fd, (struct sockaddr *)ret_address, &size),
	     "packet socket");
	return fd;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	need(!sched_setaffinity(0, sizeof(set), &set), "CPU");
}

/* The round trip. */
static uint64_t probe(int fd, struct packet *packet, unsigned *returned)
{
	uint64_t departed_ns = packet->departed_ns, now;
	struct packet answer;

	need(send(fd, packet, sizeof(*packet), 0) == sizeof(*packet), "send");
	do {
		ssize_t length = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT | MSG_TRUNC);

		now = now_ns();
		if (length == sizeof(answer) && answer.mark == htons(PACKET_PROBE) &&
		    answer.departed_ns == departed_ns && packet_sound(&answer)) {
			++*returned;
			return now - departed_ns;
		}
	} while (now < departed_ns + ANSWER_NS);
	return ANSWER_NS;
}

static int compare(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return (a > b) - (a < b);
}

int main(int count, char **words)
{
	static uint64_t trips[COUNT_MAX];
	struct sockaddr_ll own;
	struct packet packet;
	struct ether_addr mac;
	struct in_addr from, to;
	unsigned sent, returned = 0;
	uint64_t spacing_ns, next;
	int fd;

	if (count != 9 || !ether_aton_r(words[3], &mac) || !inet_aton(words[4], &from) ||
	    !inet_aton(words[5], &to)) {
		fputs("usage: prober NAMESPACE:IF CPU TO-MAC FROM TO PORT COUNT SPACING_US\n", stderr);
		return 2;
	}
	fd = open_in(words[1], &own);
	pin(atoi(words[2]));
	memcpy(packet.ethernet, &mac, ETH_ALEN);
	memcpy(packet.ethernet + 3, own.sll_addr, ETH_ALEN);
	spacing_ns = strtoull(words[8], NULL, 10) * 1000;
	next = now_ns();
	for (sent = 0; sent < (unsigned)atoi(words[7]) && sent < COUNT_MAX; sent++) {
		while (now_ns() < next)
			;
		next = now_ns() + spacing_ns;
		packet_write(&packet, from.s_addr, to.s_addr, htons((uint16_t)atoi(words[6])),
			     sent % FLOWS, now_ns());
		trips[sent] = probe(fd, &packet, &returned);
	}
	qsort(trips, sent, sizeof(trips[0]), compare);
	printf("{\"sent\": %u, \"returned\": %u", sent, returned);
	if (sent)
		printf(", \"p50_ns\": %lu, \"p99_ns\": %lu, \"p999_ns\": %lu", trips[sent / 2],
		       trips[(uint64_t)sent * 99 / 100], trips[(uint64_t)sent * 999 / 1000]);
	puts("}");
	fflush(stdout);
	while (getchar() != EOF) /* whoever wants to know what this has cost can still look */
		;
	return 0;
}
