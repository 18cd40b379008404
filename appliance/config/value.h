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
	VALUE_DURATION,  /* [uint64_t, ns] "2", "500ms", "3s", "5m", "1h", within the range (in ns) */
	VALUE_KEYWORD,   /* [uint32_t] one of the attribute's keywords */
	VALUE_ADDRESS,   /* [be32] */
	VALUE_PREFIX,    /* [struct prefix] A/LEN; host bits must be zero */
	VALUE_ADDRESSES, /* [struct address_list] A/LEN, repeated; host bits kept */
	VALUE_ENDPOINT,  /* [struct endpoint] A:PORT */
	VALUE_VIP,       /* [struct vip] A:PORT/{tcp|udp|any} */
	VALUE_MAC,       /* [struct mac] */
};

struct prefix { be32 address; uint8_t length; };
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
 * appends. */
int value_parse(const struct attribute *attribute, const char *text, void *ret_value, char *error,
		size_t error_size);
/* Writes the canonical text; returns its length as snprintf does. VALUE_ADDRESSES: item `index`. */
int value_format(const struct attribute *attribute, const void *value, unsigned index, char *ret_text,
		 size_t size);
bool value_equal(enum value_type type, const void *a, const void *b);
/* How the value is written in help and usage: "A/LEN", "N", "NAME". */
const char *value_placeholder(const struct attribute *attribute);

/* Building blocks, of use outside the schema too (lookup, filters). 0 or -EINVAL. */
int parse_address(const char *text, be32 *ret_address);
int parse_endpoint(const char *text, struct endpoint *ret_endpoint);
int parse_duration(const char *text, uint64_t *ret_ns);

#endif
