/* Values as they are: canonical text, equality, order, and what the grammar asks about a type. */
#include "appliance/config/value.h"

#include <stdio.h>
#include <string.h>

#include "appliance/config/schema.h"

enum { PREFIX_SIZE = sizeof("255.255.255.255/32") };

static int format_keyword(const struct keyword *keyword, uint32_t value, char *ret_text,
			  size_t size)
{
	while (keyword->name && keyword->value != value)
		keyword++;
	return snprintf(ret_text, size, "%s", keyword->name ? keyword->name : "none");
}

static int format_pair(const struct attribute *attribute, const struct prefix_pair *pair,
		       char *ret_text, size_t size)
{
	char from[PREFIX_SIZE], to[PREFIX_SIZE];

	format_prefix(pair->from, from, sizeof(from));
	format_prefix(pair->to, to, sizeof(to));
	return snprintf(ret_text, size, "%s %s %s", from, attribute->keywords->name, to);
}

int value_format(const struct attribute *attribute, const void *value, unsigned index,
		 char *ret_text, size_t size)
{
	if (value_is_none(attribute->type, value) && attribute_optional(attribute))
		return snprintf(ret_text, size, "none");
	switch (attribute->type) {
	case VALUE_NAME:
	case VALUE_INTERFACE:
	case VALUE_KEY:
	case VALUE_TEXT: return snprintf(ret_text, size, "%s", (const char *)value);
	case VALUE_NUMBER: return snprintf(ret_text, size, "%u", *(const uint32_t *)value);
	case VALUE_DURATION: return format_duration(*(const uint64_t *)value, ret_text, size);
	case VALUE_KEYWORD:
		return format_keyword(attribute->keywords, *(const uint32_t *)value, ret_text,
				      size);
	case VALUE_ADDRESS: return format_address(*(const be32 *)value, ret_text, size);
	case VALUE_PREFIX: return format_prefix(*(const struct prefix *)value, ret_text, size);
	case VALUE_ADDRESSES:
		return format_prefix(((const struct address_list *)value)->item[index], ret_text,
				     size);
	case VALUE_ENDPOINT:
		return format_endpoint(*(const struct endpoint *)value, ret_text, size);
	case VALUE_VIP: return format_vip(*(const struct vip *)value, ret_text, size);
	case VALUE_MAC: return format_mac(*(const struct mac *)value, ret_text, size);
	case VALUE_FROM:
		if (!*(const uint32_t *)value)
			return format_keyword(attribute->keywords, 0, ret_text, size);
		return snprintf(ret_text, size, "port %u", *(const uint32_t *)value);
	case VALUE_PREFIX_PAIR: return format_pair(attribute, value, ret_text, size);
	}
	return 0;
}

/* The keyword of VALUE_FROM whose value is not 0 is the one that a number follows. */
unsigned value_words(const struct attribute *attribute, const char *first)
{
	if (attribute->type == VALUE_PREFIX_PAIR)
		return strcmp(first, "none") == 0 ? 1 : 3;
	if (attribute->type != VALUE_FROM)
		return 1;
	for (const struct keyword *k = attribute->keywords; k->name; k++)
		if (strcmp(k->name, first) == 0)
			return k->value ? 2 : 1;
	return 1;
}

struct value_word value_word(const struct attribute *attribute, unsigned place)
{
	if (attribute->type == VALUE_PREFIX_PAIR)
		return (struct value_word){
			.keywords = place == 1 ? attribute->keywords : NULL,
			.placeholder = place == 1 ? attribute->keywords->name : "PREFIX",
		};
	return (struct value_word){
		.keywords = place ? NULL : attribute->keywords,
		.placeholder = place ? "N" : NULL,
	};
}

size_t value_size(enum value_type type)
{
	static const size_t sizes[] = {
		[VALUE_NAME] = NAME_SIZE, [VALUE_INTERFACE] = INTERFACE_NAME_SIZE,
		[VALUE_TEXT] = TEXT_SIZE, [VALUE_NUMBER] = sizeof(uint32_t),
		[VALUE_DURATION] = sizeof(uint64_t), [VALUE_KEYWORD] = sizeof(uint32_t),
		[VALUE_ADDRESS] = sizeof(be32), [VALUE_PREFIX] = sizeof(struct prefix),
		[VALUE_ADDRESSES] = sizeof(struct address_list),
		[VALUE_ENDPOINT] = sizeof(struct endpoint), [VALUE_VIP] = sizeof(struct vip),
		[VALUE_MAC] = sizeof(struct mac), [VALUE_KEY] = TEXT_SIZE, [VALUE_FROM] = sizeof(uint32_t),
		[VALUE_PREFIX_PAIR] = sizeof(struct prefix_pair),
	};

	return sizes[type];
}

bool value_is_none(enum value_type type, const void *value)
{
	switch (type) {
	case VALUE_NAME:
	case VALUE_INTERFACE:
	case VALUE_KEY:
	case VALUE_TEXT: return !*(const char *)value;
	case VALUE_NUMBER: return !*(const uint32_t *)value;
	case VALUE_DURATION: return !*(const uint64_t *)value;
	case VALUE_ADDRESSES: return !((const struct address_list *)value)->count;
	case VALUE_MAC: return !((const struct mac *)value)->set;
	case VALUE_PREFIX: return !((const struct prefix *)value)->length;
	case VALUE_PREFIX_PAIR: return !((const struct prefix_pair *)value)->set;
	case VALUE_KEYWORD:
	case VALUE_ADDRESS:
	case VALUE_ENDPOINT:
	case VALUE_VIP:
	case VALUE_FROM: return false;
	}
	return false;
}

static int order(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Both at a digit: compares the two numbers, however long, and moves behind them. */
static int order_numbers(const char **a, const char **b)
{
	size_t a_length, b_length;
	int result;

	*a += strspn(*a, "0");
	*b += strspn(*b, "0");
	a_length = strspn(*a, "0123456789");
	b_length = strspn(*b, "0123456789");
	result = a_length == b_length ? strncmp(*a, *b, a_length) : order(a_length, b_length);
	*a += a_length;
	*b += b_length;
	return result;
}

int natural_order(const char *a, const char *b)
{
	const char *x = a, *y = b;

	while (*x && *y) {
		int result = is_digit(*x) && is_digit(*y) ? order_numbers(&x, &y) : *x++ - *y++;

		if (result)
			return result;
	}
	/* web02 and web2 are not the same name. */
	return *x || *y ? *x - *y : strcmp(a, b);
}

static int order_prefixes(struct prefix a, struct prefix b)
{
	int result = order(from_be32(a.address), from_be32(b.address));

	return result ? result : order(a.length, b.length);
}

static int order_lists(const struct address_list *a, const struct address_list *b)
{
	for (uint32_t i = 0; i < a->count && i < b->count; i++) {
		int result = order_prefixes(a->item[i], b->item[i]);

		if (result)
			return result;
	}
	return order(a->count, b->count);
}

static int order_vips(const struct vip *a, const struct vip *b)
{
	int result = order(from_be32(a->address), from_be32(b->address));

	if (!result)
		result = order(a->port, b->port);
	return result ? result : order(a->protocol, b->protocol);
}

static int order_endpoints(const struct endpoint *a, const struct endpoint *b)
{
	int result = order(from_be32(a->address), from_be32(b->address));

	return result ? result : order(a->port, b->port);
}

static int order_pairs(const struct prefix_pair *a, const struct prefix_pair *b)
{
	int result = order(a->set, b->set);

	if (!result)
		result = order_prefixes(a->from, b->from);
	return result ? result : order_prefixes(a->to, b->to);
}

static int order_macs(const struct mac *a, const struct mac *b)
{
	int result = order(a->set, b->set);

	return result || !a->set ? result : memcmp(a->byte, b->byte, sizeof(a->byte));
}

int value_order(enum value_type type, const void *a, const void *b)
{
	switch (type) {
	case VALUE_NAME:
	case VALUE_INTERFACE: return natural_order(a, b);
	case VALUE_KEY:
	case VALUE_TEXT: return strcmp(a, b);
	case VALUE_NUMBER:
	case VALUE_KEYWORD:
	case VALUE_FROM: return order(*(const uint32_t *)a, *(const uint32_t *)b);
	case VALUE_DURATION: return order(*(const uint64_t *)a, *(const uint64_t *)b);
	case VALUE_ADDRESS: return order(from_be32(*(const be32 *)a), from_be32(*(const be32 *)b));
	case VALUE_PREFIX:
		return order_prefixes(*(const struct prefix *)a, *(const struct prefix *)b);
	case VALUE_ADDRESSES: return order_lists(a, b);
	case VALUE_ENDPOINT: return order_endpoints(a, b);
	case VALUE_VIP: return order_vips(a, b);
	case VALUE_MAC: return order_macs(a, b);
	case VALUE_PREFIX_PAIR: return order_pairs(a, b);
	}
	return 0;
}

bool value_equal(enum value_type type, const void *a, const void *b)
{
	return value_order(type, a, b) == 0;
}

const char *value_placeholder(const struct attribute *attribute)
{
	static const char *const placeholders[] = {
		[VALUE_NAME] = "NAME", [VALUE_INTERFACE] = "NAME", [VALUE_TEXT] = "TEXT",
		[VALUE_NUMBER] = "N", [VALUE_DURATION] = "S", [VALUE_KEYWORD] = "WORD",
		[VALUE_ADDRESS] = "A", [VALUE_PREFIX] = "PREFIX", [VALUE_ADDRESSES] = "A/LEN",
		[VALUE_ENDPOINT] = "A:PORT", [VALUE_VIP] = "A:PORT/PROTOCOL", [VALUE_MAC] = "M",
		[VALUE_KEY] = "HEX", [VALUE_FROM] = "{any|port N}",
		[VALUE_PREFIX_PAIR] = "PREFIX to PREFIX",
	};

	return placeholders[attribute->type];
}
