/* The grammar, once, as tables: what commands there are, what may come next, and what it means.
 *
 * After OpenBSD's bgpctl: matching, unique prefixes, completion, `?`, usage texts and error
 * messages all walk the same tables, so none of them can know a command that the others do not. A
 * command is a row: one or two words, operands in their order, then options in any order. Both are
 * `struct attribute`, the configuration's own description of a value; the rows of add, set and del
 * are generated for each kind of object from its schema, so a new setting there is a new word here.
 */
#ifndef CLI_GRAMMAR_H
#define CLI_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/config/config.h"
#include "cli/appliance.h"
#include "cli/protocol.h"

enum command_id {
	COMMAND_ADD,
	COMMAND_SET,
	COMMAND_DELETE,
	COMMAND_ENABLE,
	COMMAND_DISABLE,
	COMMAND_DRAIN,
	COMMAND_SHOW,
	COMMAND_SHOW_CONFIG,
	COMMAND_SHOW_REVISIONS,
	COMMAND_LOOKUP,
	COMMAND_MONITOR,
	COMMAND_CAPTURE,
	COMMAND_TRACE,
	COMMAND_CLEAR_COUNTERS,
	COMMAND_CLEAR_FLOW,
	COMMAND_CLEAR_TRACE,
	COMMAND_CONFIGURE,
	COMMAND_COMPARE,
	COMMAND_COMMIT,
	COMMAND_CONFIRM,
	COMMAND_DISCARD,
	COMMAND_ROLLBACK,
	COMMAND_LOAD,
	COMMAND_EXPORT,
	COMMAND_BACKUP,
	COMMAND_HELP,
	COMMAND_HISTORY,
	COMMAND_TERMINAL,
	COMMAND_QUIT,
};

enum {
	COMMAND_WORDS = 2,       /* at most, before the operands */
	PARAMETERS_MAX = ATTRIBUTES_MAX,
	FILE_NAME_SIZE = 4096,   /* PATH_MAX */
	NEXT_MAX = 64,           /* what may come next, at most */
};

/* Beyond enum attribute_flags, for parameters that are not part of an object. */
enum parameter_flags {
	PARAMETER_SWITCH = 1 << 8,   /* a word alone; sets its uint32_t to 1 */
	PARAMETER_RAW = 1 << 9,      /* the word as it is: char[size in `maximum`] */
	PARAMETER_FILE = 1 << 10,    /* names a file of the operator's */
	PARAMETER_REVISION = 1 << 11, /* the number of a kept revision */
	PARAMETER_REST = 1 << 12,    /* takes all words that are left, whatever they are */
	PARAMETER_EXCLUSIVE = 1 << 13, /* only one of those so flagged */
	PARAMETER_PATTERN = 1 << 14, /* a regular expression */
	PARAMETER_PACKETS = 1 << 15, /* with PARAMETER_REST: which packets, as tcpdump writes it */
	PARAMETER_MINUTES = 1 << 16, /* a VALUE_DURATION that counts minutes where it has no unit */
};

/* What the operator typed beside the attributes of an object. Zero where not given. */
struct arguments {
	char name[NAME_SIZE];
	char service[NAME_SIZE], pool[NAME_SIZE];
	struct endpoint backend;
	be32 client;
	uint32_t client_port;
	uint32_t limit;
	uint32_t revision, other_revision;
	uint32_t number;
	struct endpoint source;
	struct vip destination;
	uint32_t drops;
	uint64_t interval_ns;
	uint32_t count;
	uint64_t timeout_ns;
	uint32_t wait;
	uint32_t if_exists;
	uint32_t merge, replace;
	uint32_t running;
	uint32_t check;
	uint64_t confirm_ns;
	uint32_t length;
	char comment[TEXT_SIZE];
	char file[FILE_NAME_SIZE];
};

/* A command as the grammar knows it. */
struct syntax {
	enum command_id id;
	const char *words[COMMAND_WORDS + 1]; /* ends with NULL */
	const char *help;
	enum kind kind;                       /* of the object; KIND_COUNT: about none */
	enum topic topic;                     /* COMMAND_SHOW */
	bool pipes;                           /* takes `| match RE` and so on */
	const struct attribute *parameter;    /* its own; the schema's of `kind` come before them */
	unsigned parameters;
	bool ids_only;                        /* of the schema's: those that name the object */
};

/* One operand or option. */
struct parameter {
	const struct attribute *attribute;
	bool of_object;   /* its value belongs into the kind's struct, else into struct arguments */
	int index;        /* of_object: in the schema */
	bool operand;     /* by its place; else by its name */
	bool required;
};

/* What stands behind `|`. */
struct pipe_syntax {
	const char *word, *help;
	bool value; /* a pattern follows */
};

extern const struct pipe_syntax grammar_pipes[PIPE_TYPES];

/* How many rows there are, and the row of an index. */
unsigned grammar_count(void);
struct syntax grammar_at(unsigned index);
/* What a first word is for that several commands begin with: "show state and configuration". */
const char *grammar_verb_help(const char *verb);

/* The parameters of a command, operands first; false past the last one. */
bool syntax_parameter(const struct syntax *syntax, unsigned index, struct parameter *ret_parameter);
/* "add backend POOL A:PORT [weight N] ..."; returns the length as snprintf does. */
int syntax_usage(const struct syntax *syntax, char *ret_text, size_t size);
/* "weight N", "POOL", "wait", "role {frontend|backend|both}" */
int parameter_usage(const struct parameter *parameter, char *ret_text, size_t size);
/* How the value of a parameter is called: "POOL", "A:PORT", "FILE". */
const char *parameter_placeholder(const struct attribute *attribute);

/* One of the words that may come next. */
enum next_type {
	NEXT_WORD,    /* of the command's name */
	NEXT_OPTION,  /* the name of an option or a switch */
	NEXT_VALUE,   /* an operand, or the value of the option before */
	NEXT_PIPE,    /* `|` */
	NEXT_FILTER,  /* what stands after `|` */
	NEXT_END,     /* the command is complete */
};

struct next {
	enum next_type type;
	const char *word;    /* as typed; NEXT_VALUE: its placeholder */
	unsigned place;      /* NEXT_VALUE: which word of its value, 1 for N of "port N" */
	const struct keyword *keywords; /* NEXT_VALUE: it is one of these; NULL: it is free */
	const char *help;
	struct parameter parameter; /* NEXT_OPTION, NEXT_VALUE */
	unsigned index;             /* of that parameter */
	enum pipe_type pipe;        /* NEXT_FILTER */
};

/* How far a command has come. Begins as all zero. */
struct position {
	unsigned words;            /* of the name, taken */
	const char *verb;          /* the first of them */
	bool complete;             /* the name: `syntax` is set */
	struct syntax syntax;
	uint32_t given;            /* bit i: parameter i of the syntax */
	bool value_awaited;        /* of the option `awaited`: */
	unsigned place, words_left; /* which word of it; how many after it, once the first is there */
	unsigned awaited;
	bool rest;                 /* a PARAMETER_REST has begun */
	bool piped, filter_awaited, filter_value_awaited; /* after `|`; after `match` */
};

/* All that may come at a position, in the order in which help shows it; how many. */
unsigned position_next(const struct position *position, struct next ret_next[NEXT_MAX]);
/* Moves over one of them, for which `word` was typed. */
void position_take(struct position *position, const struct next *next, const char *word);

#endif
