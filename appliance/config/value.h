/* The values that operators type: their types, how each is read, and how each is written.
 *
 * Every value that can be written reads back to the same value; the canonical form is what export,
 * revisions and the store hold.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/path/bytes.h"

enum {
	NAME_SIZE = 64,          /* with the terminating zero */
	INTERFACE_NAME_SIZE = 16, /* IFNAMSIZ */
	TEXT_SIZE = 256,
	ADDRESS_LIST_MAX = 8,
};

/* What a value is; in brackets the C type at the attribute's offset. */
enum value_type {
	VALUE_NAME,      /* [char[NAME_SIZE]] letters, digits and . _ - */
	VALUE_INTERFACE, /* [char[INTERFACE_NAME_SIZE]] */
	VALUE_TEXT,      /* [char[TEXT_SIZE]] anything printable, quoted where it has blanks */
	VALUE_NUMBER,    /* [uint32_t] within the attribute's range */
	VALUE_DURATION,  /* [uint64_t, ns] "2", "500ms", "3s", "5m", "1h", within the range */
	VALUE_KEYWORD,   /* [uint32_t] one of the attribute's keywords */
	VALUE_ADDRESS,   /* [be32] */
	VALUE_PREFIX,    /* [struct prefix] A/LEN; host bits must be zero */
	VALUE_ADDRESSES, /* [struct address_list] A/LEN, repeated; host bits kept */
	VALUE_ENDPOINT,  /* [struct endpoint] A:PORT */
	VALUE_VIP,       /* [struct vip] A:PORT/{tcp|udp|any} */
	VALUE_MAC,       /* [struct mac] */
	VALUE_KEY,       /* [char[TEXT_SIZE]] bytes of a secret as hexadecimal digits */
	VALUE_FROM,      /* [uint32_t] "any" (0) or "port N": a keyword, then maybe a number */
	VALUE_PREFIX_PAIR, /* [struct prefix_pair] "PREFIX to PREFIX", of equal lengths */
};

struct prefix { be32 address; uint8_t length; };
struct prefix_pair { struct prefix from, to; bool set; };
struct address_list { uint32_t count; struct prefix item[ADDRESS_LIST_MAX]; };
struct endpoint { be32 address; uint16_t port; };
struct mac { uint8_t byte[6]; bool set; };

enum protocol_choice { PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ANY };
struct vip { be32 address; uint16_t port; uint8_t protocol; };

/* A keyword of VALUE_KEYWORD; a list ends with a NULL name. */
struct keyword { const char *name; uint32_t value; const char *help; };

struct attribute;

/* Reads `text` into `*ret_value` (the C type above). 0, or -EINVAL with a sentence in `error` that
 * names the value ("weight 70000 is out of range 0-65535"), ret_value untouched. VALUE_ADDRESSES
 * appends. The words of a value of several are joined by one blank. `none` clears an attribute
 * that has no default and need not be given (attribute_optional). */
int value_parse(const struct attribute *attribute, const char *text, void *ret_value, char *error,
		size_t error_size);
/* Writes the canonical text, "none" where there is none; returns its length as snprintf does.
 * VALUE_ADDRESSES: item `index`, for which `index` < count. */
int value_format(const struct attribute *attribute, const void *value, unsigned index,
		 char *ret_text, size_t size);
/* How many words the value takes that begins with `first`: 2 for `port` of VALUE_FROM, 3 for a pair
 * of prefixes, 1 for all else. */
unsigned value_words(const struct attribute *attribute, const char *first);
/* Of which keywords the word at this place of a value is one (NULL: it is free), and how the word is
 * called in help (NULL: as the value is). */
struct value_word { const struct keyword *keywords; const char *placeholder; };
struct value_word value_word(const struct attribute *attribute, unsigned place);
/* Bytes of the C type. */
size_t value_size(enum value_type type);
/* True where an optional value is not there: an empty text or list, 0, no MAC. */
bool value_is_none(enum value_type type, const void *value);
bool value_equal(enum value_type type, const void *a, const void *b);
/* Less than, equal to or greater than 0: names with their numbers as numbers (web2 before web10),
 * addresses and numbers by value. 0 only for equal ones. */
int value_order(enum value_type type, const void *a, const void *b);
/* How the value is written in help and usage: "A/LEN", "N", "NAME". */
const char *value_placeholder(const struct attribute *attribute);

/* A word as a script needs it: in double quotes, with a backslash before " and \, where it is empty
 * or has a character that means something to the console. Returns the length as snprintf does. */
int word_quote(const char *word, char *ret_text, size_t size);
/* As strcmp, but digits compare as the numbers that they are. */
int natural_order(const char *a, const char *b);

/* Building blocks, of use outside the schema too (lookup, filters). 0 or -EINVAL; -EAFNOSUPPORT for
 * what would be right in IPv6; -ERANGE for a number beyond its type. */
int parse_number(const char *text, uint64_t *ret_number);
int parse_address(const char *text, be32 *ret_address);
int parse_prefix(const char *text, struct prefix *ret_prefix); /* host bits are kept */
int parse_endpoint(const char *text, struct endpoint *ret_endpoint);
int parse_vip(const char *text, struct vip *ret_vip);
int parse_mac(const char *text, struct mac *ret_mac);
int parse_duration(const char *text, uint64_t *ret_ns);

/* The bits of an address that tell the hosts of its network apart, in host order. */
uint32_t host_mask(unsigned length);

/* The other way; each returns the length as snprintf does. */
int format_address(be32 address, char *ret_text, size_t size);
int format_prefix(struct prefix prefix, char *ret_text, size_t size);
int format_endpoint(struct endpoint endpoint, char *ret_text, size_t size);
int format_vip(struct vip vip, char *ret_text, size_t size);
int format_mac(struct mac mac, char *ret_text, size_t size);
int format_duration(uint64_t ns, char *ret_text, size_t size);

#endif
