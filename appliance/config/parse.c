/* Addresses, numbers and durations as text, both ways.
 *
 * Strict: one way to write each, nothing after it, no leading zeros in addresses (which some read
 * as octal), so that what is accepted is what the operator meant. Says nothing by itself; the
 * sentences are value.c's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "appliance/config/value.h"

#define MILLISECOND UINT64_C(1000000)
#define SECOND (1000 * MILLISECOND)

enum { ADDRESS_SIZE = 64 }; /* any address as text, of either family, with brackets and more */

int parse_number(const char *text, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (!*text || text[strspn(text, "0123456789")])
		return -EINVAL;
	for (; *text; text++)
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			return -ERANGE;
	*ret_number = number;
	return 0;
}

/* Splits at the last `separator`: what is before it goes to ret_head (ADDRESS_SIZE bytes). Returns
 * what is after it, NULL where there is none or the head is too long. */
static const char *split(const char *text, char separator, char *ret_head)
{
	const char *at = strrchr(text, separator);
	size_t length = at ? (size_t)(at - text) : 0;

	if (!at || length >= ADDRESS_SIZE)
		return NULL;
	memcpy(ret_head, text, length);
	ret_head[length] = 0;
	return at + 1;
}

static int parse_up_to(const char *text, uint64_t maximum, uint64_t *ret_number)
{
	int error = parse_number(text, ret_number);

	return error ? error : *ret_number > maximum ? -ERANGE : 0;
}

int parse_address(const char *text, be32 *ret_address)
{
	char inner[ADDRESS_SIZE];
	struct in_addr address;
	struct in6_addr address6;
	size_t length = strlen(text);

	if (inet_pton(AF_INET, text, &address) == 1) {
		ret_address->raw = address.s_addr;
		return 0;
	}
	if (length >= 2 && length < sizeof(inner) && text[0] == '[' && text[length - 1] == ']') {
		memcpy(inner, text + 1, length - 2);
		inner[length - 2] = 0;
		text = inner;
	}
	return inet_pton(AF_INET6, text, &address6) == 1 ? -EAFNOSUPPORT : -EINVAL;
}

/* An IPv6 address where more was expected: its colons are no port's. */
static bool is_ipv6(const char *text)
{
	be32 ignored;

	return parse_address(text, &ignored) == -EAFNOSUPPORT;
}

uint32_t host_mask(unsigned length)
{
	return length ? (uint32_t)((UINT64_C(1) << (32 - length)) - 1) : UINT32_MAX;
}

int parse_prefix(const char *text, struct prefix *ret_prefix)
{
	char head[ADDRESS_SIZE];
	const char *tail = split(text, '/', head);
	struct prefix prefix;
	uint64_t length;
	int error;

	if (!tail)
		return is_ipv6(text) ? -EAFNOSUPPORT : -EINVAL;
	error = parse_address(head, &prefix.address);
	if (!error)
		error = parse_up_to(tail, 32, &length);
	if (error)
		return error;
	prefix.length = (uint8_t)length;
	*ret_prefix = prefix;
	return 0;
}

int parse_endpoint(const char *text, struct endpoint *ret_endpoint)
{
	char head[ADDRESS_SIZE];
	const char *tail = split(text, ':', head);
	struct endpoint endpoint;
	uint64_t port;
	int error;

	if (is_ipv6(text))
		return -EAFNOSUPPORT;
	error = tail ? parse_address(head, &endpoint.address) : -EINVAL;
	if (!error)
		error = parse_up_to(tail, UINT16_MAX, &port);
	if (error)
		return error;
	endpoint.port = (uint16_t)port;
	*ret_endpoint = endpoint;
	return 0;
}

static const char *const protocols[] = {
	[PROTOCOL_TCP] = "tcp", [PROTOCOL_UDP] = "udp", [PROTOCOL_ANY] = "any",
};

int parse_vip(const char *text, struct vip *ret_vip)
{
	char head[ADDRESS_SIZE];
	const char *tail = split(text, '/', head);
	struct endpoint endpoint;
	int error = parse_endpoint(tail ? head : text, &endpoint);

	if (error)
		return error;
	for (uint8_t i = 0; tail && i <= PROTOCOL_ANY; i++) {
		if (strcmp(tail, protocols[i]) != 0)
			continue;
		*ret_vip = (struct vip){endpoint.address, endpoint.port, i};
		return 0;
	}
	return -EINVAL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int parse_mac(const char *text, struct mac *ret_mac)
{
	struct mac mac = {.set = true};

	for (unsigned i = 0; i < sizeof(mac.byte); i++, text += 3) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || text[2] != (i + 1 < sizeof(mac.byte) ? ':' : 0))
			return -EINVAL;
		mac.byte[i] = (uint8_t)(high << 4 | low);
	}
	*ret_mac = mac;
	return 0;
}

int parse_duration(const char *text, uint64_t *ret_ns)
{
	static const struct { const char *name; uint64_t ns; } units[] = {
		{"", SECOND}, {"ms", MILLISECOND}, {"s", SECOND},
		{"m", 60 * SECOND}, {"h", 3600 * SECOND},
	};
	char digits[24];
	size_t length = strspn(text, "0123456789");
	uint64_t number, ns;
	int error;

	if (length >= sizeof(digits))
		return -ERANGE;
	memcpy(digits, text, length);
	digits[length] = 0;
	error = parse_number(digits, &number);
	if (error)
		return error;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text + length, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(number, units[i].ns, &ns))
			return -ERANGE;
		*ret_ns = ns;
		return 0;
	}
	return -EINVAL;
}

int format_address(be32 address, char *ret_text, size_t size)
{
	uint32_t a = from_be32(address);

	return snprintf(ret_text, size, "%u.%u.%u.%u",
			a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

int format_prefix(struct prefix prefix, char *ret_text, size_t size)
{
	char address[INET_ADDRSTRLEN];

	format_address(prefix.address, address, sizeof(address));
	return snprintf(ret_text, size, "%s/%u", address, prefix.length);
}

int format_endpoint(struct endpoint endpoint, char *ret_text, size_t size)
{
	char address[INET_ADDRSTRLEN];

	format_address(endpoint.address, address, sizeof(address));
	return snprintf(ret_text, size, "%s:%u", address, endpoint.port);
}

int format_vip(struct vip vip, char *ret_text, size_t size)
{
	char address[INET_ADDRSTRLEN];

	format_address(vip.address, address, sizeof(address));
	return snprintf(ret_text, size, "%s:%u/%s", address, vip.port, protocols[vip.protocol]);
}

int format_mac(struct mac mac, char *ret_text, size_t size)
{
	const uint8_t *b = mac.byte;

	return snprintf(ret_text, size, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3],
			b[4], b[5]);
}

int format_duration(uint64_t ns, char *ret_text, size_t size)
{
	if (ns % SECOND)
		return snprintf(ret_text, size, "%" PRIu64 "ms", ns / MILLISECOND);
	return snprintf(ret_text, size, "%" PRIu64, ns / SECOND);
}
