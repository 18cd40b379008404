/* Typed words against the schema: what an attribute accepts, and what is said when it does not.
 *
 * One function a type reads and complains; a value is only written when all of it is right. How
 * addresses and numbers look is parse.c's, what they may be is said here.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "appliance/config/config.h"
#include "appliance/config/schema.h"
#include "appliance/config/value.h"

/* The word that stands for no value, and which therefore nothing can be called. */
static const char none[] = "none";

enum { WORD_SIZE = 40 }; /* of a value of several words; as sscanf() below says, with its zero */

/* What one parse works on: the attribute's, the typed text, and where the sentence goes. */
struct reading {
	const struct attribute *attribute;
	const char *text;
	char *error;
	size_t error_size;
};

__attribute__((format(printf, 2, 3)))
static int refuse(const struct reading *reading, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reading->error, reading->error_size, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

/* The sentence for what a building block refused; `expected` says what would have been right. */
static int refuse_form(const struct reading *reading, int error, const char *expected)
{
	const char *name = reading->attribute->name;

	if (error == -EAFNOSUPPORT)
		return refuse(reading, "%s %s is IPv6, this release carries IPv4", name,
			      reading->text);
	return refuse(reading, "%s \"%s\" is not %s", name, reading->text, expected);
}

static int read_word(const struct reading *reading, size_t size, const char *also, char *ret_word)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	const char *name = reading->attribute->name, *text = reading->text, *c = text;

	if (!*text)
		return refuse(reading, "%s is empty", name);
	if (strcmp(text, none) == 0)
		return refuse(reading, "%s \"none\" cannot be used, the word stands for no value",
			      name);
	if (strlen(text) >= size)
		return refuse(reading, "%s \"%s\" is longer than %zu characters", name, text,
			      size - 1);
	if (!strchr(letters, *c))
		return refuse(reading, "%s \"%s\" does not begin with a letter or digit", name,
			      text);
	while (*c && (strchr(letters, *c) || strchr(also, *c)))
		c++;
	if (*c)
		return refuse(reading, "%s \"%s\" has more than letters, digits and %s", name, text,
			      also);
	memcpy(ret_word, text, strlen(text) + 1);
	return 0;
}

static int read_text(const struct reading *reading, char *ret_text)
{
	const char *name = reading->attribute->name, *text = reading->text;

	if (strlen(text) >= TEXT_SIZE)
		return refuse(reading, "%s is longer than %d characters", name, TEXT_SIZE - 1);
	for (const char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			return refuse(reading, "%s has a character that is not printable ASCII",
				      name);
	memcpy(ret_text, text, strlen(text) + 1);
	return 0;
}

/* Short keys are guessed; HMAC hashes those beyond a block of SHA-256 first (RFC 2104 section 3). */
enum { KEY_BYTES_MIN = 16, KEY_BYTES_MAX = 64 };

static int read_key(const struct reading *reading, char *ret_text)
{
	const char *name = reading->attribute->name, *text = reading->text;
	size_t digits = strlen(text);

	if (strspn(text, "0123456789abcdefABCDEF") != digits || digits % 2)
		return refuse(reading, "%s is not a whole number of bytes as hexadecimal digits",
			      name);
	if (digits < 2 * KEY_BYTES_MIN || digits > 2 * KEY_BYTES_MAX)
		return refuse(reading, "%s has %zu bytes, not %d to %d", name, digits / 2,
			      KEY_BYTES_MIN, KEY_BYTES_MAX);
	memcpy(ret_text, text, digits + 1);
	for (char *digit = ret_text; *digit; digit++)
		if (*digit >= 'A' && *digit <= 'F')
			*digit = (char)(*digit | ('a' ^ 'A'));
	return 0;
}

static int read_number(const struct reading *reading, uint32_t *ret_number)
{
	const struct attribute *attribute = reading->attribute;
	bool negative = reading->text[0] == '-';
	uint64_t number = 0;
	int error = parse_number(reading->text + negative, &number);

	if (error == -EINVAL)
		return refuse_form(reading, error, "a number");
	if (negative || error || number < attribute->minimum || number > attribute->maximum)
		return refuse(reading, "%s %s is out of range %" PRIu64 "-%" PRIu64,
			      attribute->name, reading->text, attribute->minimum,
			      attribute->maximum);
	*ret_number = (uint32_t)number;
	return 0;
}

static int read_duration(const struct reading *reading, uint64_t *ret_ns)
{
	const struct attribute *attribute = reading->attribute;
	char least[24], most[24];
	uint64_t ns = 0;
	int error = parse_duration(reading->text, &ns);

	if (error == -EINVAL)
		return refuse_form(reading, error, "a duration like 2, 500ms, 3s, 5m or 1h");
	if (error || ns < attribute->minimum || ns > attribute->maximum) {
		format_duration(attribute->minimum, least, sizeof(least));
		format_duration(attribute->maximum, most, sizeof(most));
		return refuse(reading, "%s %s is out of range %s-%s", attribute->name,
			      reading->text, least, most);
	}
	*ret_ns = ns;
	return 0;
}

static int refuse_keyword(const struct reading *reading)
{
	const char *words[16], *near;
	char list[256];
	size_t count = 0, used = 0;

	for (const struct keyword *k = reading->attribute->keywords; k->name; k++) {
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
					 count ? ", " : "", k->name);
		words[count++] = k->name;
	}
	near = suggest(reading->text, words, count);
	return refuse(reading, "%s \"%s\" is not one of: %s%s%s%s", reading->attribute->name,
		      reading->text, list, near ? ". Did you mean \"" : "", near ? near : "",
		      near ? "\"?" : "");
}

static int read_keyword(const struct reading *reading, uint32_t *ret_value)
{
	for (const struct keyword *k = reading->attribute->keywords; k->name; k++) {
		if (strcmp(reading->text, k->name) != 0)
			continue;
		*ret_value = k->value;
		return 0;
	}
	return refuse_keyword(reading);
}

static int read_from(const struct reading *reading, uint32_t *ret_port)
{
	char first[32];
	size_t length = strcspn(reading->text, " ");
	bool numbered = reading->text[length];
	struct reading word = *reading;
	uint32_t port;
	int error;

	snprintf(first, sizeof(first), "%.*s", (int)length, reading->text);
	word.text = first;
	error = read_keyword(&word, &port);
	if (error)
		return error;
	if (numbered != (value_words(reading->attribute, first) == 2))
		return refuse(reading, "%s %s %s a number", reading->attribute->name, first,
			      numbered ? "is not followed by" : "needs");
	word.text = reading->text + length + 1;
	if (numbered)
		error = read_number(&word, &port);
	if (!error)
		*ret_port = port;
	return error;
}

/* Addresses that no host has are refused here, once for all that names a host. */
static int check_host(const struct reading *reading, be32 address)
{
	static const struct { uint8_t first, last; const char *what; } reserved[] = {
		{0, 0, "no host's"}, {127, 127, "a loopback address"},
		{224, 239, "a multicast address"}, {240, 255, "reserved or broadcast"},
	};
	uint8_t high = (uint8_t)(from_be32(address) >> 24);

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (high >= reserved[i].first && high <= reserved[i].last)
			return refuse(reading, "%s %s is %s", reading->attribute->name,
				      reading->text, reserved[i].what);
	return 0;
}

static int read_address(const struct reading *reading, be32 *ret_address)
{
	be32 address;
	int error = parse_address(reading->text, &address);

	if (error)
		return refuse_form(reading, error, "an IPv4 address");
	error = check_host(reading, address);
	if (!error)
		*ret_address = address;
	return error;
}

static int read_prefix(const struct reading *reading, struct prefix *ret_prefix)
{
	struct prefix prefix;
	char right[24];
	int error = parse_prefix(reading->text, &prefix);

	if (error)
		return refuse_form(reading, error, "a network like 10.0.0.0/8");
	if (from_be32(prefix.address) & host_mask(prefix.length)) {
		prefix.address = to_be32(from_be32(prefix.address) & ~host_mask(prefix.length));
		format_prefix(prefix, right, sizeof(right));
		return refuse(reading, "%s %s has host bits. Did you mean \"%s\"?",
			      reading->attribute->name, reading->text, right);
	}
	/* That of no bits stands for `none` where the attribute is optional. */
	if (!prefix.length && attribute_optional(reading->attribute))
		return refuse(reading, "%s %s would be everybody", reading->attribute->name,
			      reading->text);
	*ret_prefix = prefix;
	return 0;
}

static int read_pair(const struct reading *reading, struct prefix_pair *ret_pair)
{
	const char *name = reading->attribute->name;
	char from[WORD_SIZE], to[WORD_SIZE], keyword[WORD_SIZE], more;
	struct reading word = *reading;
	struct prefix_pair pair = {.set = true};
	int error;

	if (sscanf(reading->text, "%39s %39s %39s%c", from, keyword, to, &more) != 3 ||
	    strcmp(keyword, reading->attribute->keywords->name) != 0)
		return refuse_form(reading, -EINVAL, "PREFIX to PREFIX, like "
				   "198.51.100.0/24 to 10.1.0.0/24");
	word.text = from;
	error = read_prefix(&word, &pair.from);
	word.text = to;
	if (!error)
		error = read_prefix(&word, &pair.to);
	if (!error)
		error = check_host(&word, pair.to.address);
	if (error)
		return error;
	if (pair.from.length != pair.to.length)
		return refuse(reading, "%s %s is between networks of different lengths, /%u and /%u",
			      name, reading->text, pair.from.length, pair.to.length);
	*ret_pair = pair;
	return 0;
}

/* The network's own address and its broadcast belong to no host, but in /31 and /32 (RFC 3021). */
static int append_address(const struct reading *reading, struct address_list *list)
{
	const char *name = reading->attribute->name;
	struct prefix item;
	uint32_t host;
	int error = parse_prefix(reading->text, &item);

	if (error)
		return refuse_form(reading, error, "an address with its network, like 10.0.0.1/24");
	error = check_host(reading, item.address);
	if (error)
		return error;
	host = from_be32(item.address) & host_mask(item.length);
	if (item.length < 31 && (host == 0 || host == host_mask(item.length)))
		return refuse(reading, "%s %s is the network's %s, not a host's", name,
			      reading->text, host ? "broadcast address" : "own address");
	if (list->count == ADDRESS_LIST_MAX)
		return refuse(reading, "%s %s is one too many, at most %d fit", name, reading->text,
			      ADDRESS_LIST_MAX);
	for (uint32_t i = 0; i < list->count; i++)
		if (same32(list->item[i].address, item.address))
			return refuse(reading, "%s %s is given twice", name, reading->text);
	list->item[list->count++] = item;
	return 0;
}

static int read_endpoint(const struct reading *reading, struct endpoint *ret_endpoint)
{
	struct endpoint endpoint;
	int error = parse_endpoint(reading->text, &endpoint);

	if (error)
		return refuse_form(reading, error, "an address:port like 10.0.0.11:80");
	error = check_host(reading, endpoint.address);
	if (!error)
		*ret_endpoint = endpoint;
	return error;
}

static int read_vip(const struct reading *reading, struct vip *ret_vip)
{
	struct vip vip;
	int error = parse_vip(reading->text, &vip);

	if (error)
		return refuse_form(reading, error, "an address:port/protocol like "
				   "203.0.113.10:80/tcp (or udp, any)");
	error = check_host(reading, vip.address);
	if (!error)
		*ret_vip = vip;
	return error;
}

static int read_mac(const struct reading *reading, struct mac *ret_mac)
{
	static const uint8_t zero[6];
	struct mac mac;
	int error = parse_mac(reading->text, &mac);

	if (error)
		return refuse_form(reading, error, "a MAC like 52:54:00:aa:00:11");
	if (mac.byte[0] & 1 || memcmp(mac.byte, zero, sizeof(zero)) == 0)
		return refuse(reading, "%s %s is not the MAC of one station",
			      reading->attribute->name, reading->text);
	*ret_mac = mac;
	return 0;
}

int value_parse(const struct attribute *attribute, const char *text, void *ret_value, char *error,
		size_t error_size)
{
	const struct reading reading = {attribute, text, error, error_size};

	if (attribute_optional(attribute) && strcmp(text, none) == 0) {
		memset(ret_value, 0, value_size(attribute->type));
		return 0;
	}
	switch (attribute->type) {
	case VALUE_NAME: return read_word(&reading, NAME_SIZE, "._-", ret_value);
	case VALUE_INTERFACE: return read_word(&reading, INTERFACE_NAME_SIZE, "._-@", ret_value);
	case VALUE_TEXT: return read_text(&reading, ret_value);
	case VALUE_NUMBER: return read_number(&reading, ret_value);
	case VALUE_DURATION: return read_duration(&reading, ret_value);
	case VALUE_KEYWORD: return read_keyword(&reading, ret_value);
	case VALUE_ADDRESS: return read_address(&reading, ret_value);
	case VALUE_PREFIX: return read_prefix(&reading, ret_value);
	case VALUE_ADDRESSES: return append_address(&reading, ret_value);
	case VALUE_ENDPOINT: return read_endpoint(&reading, ret_value);
	case VALUE_VIP: return read_vip(&reading, ret_value);
	case VALUE_MAC: return read_mac(&reading, ret_value);
	case VALUE_KEY: return read_key(&reading, ret_value);
	case VALUE_FROM: return read_from(&reading, ret_value);
	case VALUE_PREFIX_PAIR: return read_pair(&reading, ret_value);
	}
	return -EINVAL;
}
