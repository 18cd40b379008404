#include "cli/grammar.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define AT(member) .reference = NOT_A_REFERENCE, .offset = offsetof(struct arguments, member)
#define NAMES(member, other) .reference = KIND_##other, .offset = offsetof(struct arguments, member)
#define OWN(table) .parameter = table, .parameters = COUNT(table)

enum { OPERAND = ATTRIBUTE_POSITIONAL, NEEDED = ATTRIBUTE_POSITIONAL | ATTRIBUTE_REQUIRED };

/* Of what several commands have, in tables of their own. */

static const struct attribute delete_parameters[] = {
	{"if-exists", VALUE_NUMBER, PARAMETER_SWITCH, AT(if_exists),
	 .help = "no error where there is none"},
};

static const struct attribute wait_parameters[] = {
	{"timeout", VALUE_DURATION, 0, AT(timeout_ns), 1000000, UINT64_MAX,
	 .help = "give up waiting after this time"},
	{"wait", VALUE_NUMBER, PARAMETER_SWITCH, AT(wait), .help = "return when it has happened"},
};

static const struct attribute drain_parameters[] = {
	{"timeout", VALUE_DURATION, 0, AT(timeout_ns), 1000000, UINT64_MAX,
	 .help = "close the flows that are left after this time"},
	{"wait", VALUE_NUMBER, PARAMETER_SWITCH, AT(wait), .help = "return when no flow is left"},
};

static const struct attribute show_interface[] = {
	{"interface", VALUE_INTERFACE, OPERAND, NAMES(name, INTERFACE), .help = "only this one"},
};

static const struct attribute show_on[] = {
	{"interface", VALUE_INTERFACE, OPERAND, NAMES(name, INTERFACE),
	 .help = "only on this interface"},
};

static const struct attribute show_service[] = {
	{"service", VALUE_NAME, OPERAND, NAMES(name, SERVICE), .help = "only this one"},
};

static const struct attribute show_pool[] = {
	{"pool", VALUE_NAME, OPERAND, NAMES(name, POOL), .help = "only this one"},
};

static const struct attribute show_check[] = {
	{"check", VALUE_NAME, OPERAND, NAMES(name, CHECK), .help = "only this one"},
};

static const struct attribute show_backend[] = {
	{"pool", VALUE_NAME, OPERAND, NAMES(name, POOL), .help = "only those of this pool"},
	{"address", VALUE_ENDPOINT, OPERAND, NAMES(backend, BACKEND), .help = "only this one"},
};

#define FLOW_FILTER \
	{"service", VALUE_NAME, 0, NAMES(service, SERVICE), .help = "only flows of this service"}, \
	{"backend", VALUE_ENDPOINT, 0, NAMES(backend, BACKEND), \
	 .help = "only flows of this backend"}, \
	{"client", VALUE_ADDRESS, 0, AT(client), .help = "only flows from this address"}, \
	{"client-port", VALUE_NUMBER, 0, AT(client_port), 1, UINT16_MAX, \
	 .help = "only flows from this port"}
#define LIMIT(text) {"limit", VALUE_NUMBER, 0, AT(limit), 1, 1000000, .help = text}

static const struct attribute show_flow[] = {FLOW_FILTER, LIMIT("at most so many (default: 10000)")};
static const struct attribute clear_flow[] = {FLOW_FILTER};
static const struct attribute show_events[] = {LIMIT("only the last so many")};

static const struct attribute show_revisions[] = {
	{"revision", VALUE_NUMBER, OPERAND | PARAMETER_REVISION, AT(revision), 1, UINT32_MAX,
	 .help = "the whole text of this one"},
};

static const struct attribute show_config[] = {
	{"running", VALUE_NUMBER, PARAMETER_SWITCH, AT(running),
	 .help = "what runs, also where a candidate is open"},
};

static const struct attribute lookup_parameters[] = {
	{"source", VALUE_ENDPOINT, NEEDED, AT(source), .help = "client's address:port"},
	{"destination", VALUE_VIP, NEEDED, AT(destination),
	 .help = "address:port/protocol of a service"},
};

static const struct attribute compare_parameters[] = {
	{"revision", VALUE_NUMBER, OPERAND | PARAMETER_REVISION, AT(revision), 1, UINT32_MAX,
	 .help = "from this revision on (default: from what runs to the candidate)"},
	{"other", VALUE_NUMBER, OPERAND | PARAMETER_REVISION, AT(other_revision), 1, UINT32_MAX,
	 .help = "to this one (default: to the candidate, or to what runs)"},
};

static const struct attribute discard_parameters[] = {
	{"line", VALUE_NUMBER, OPERAND, AT(number), 1, UINT32_MAX,
	 .help = "only this line of it, by the number that conflicts are told with"},
};

static const struct attribute monitor_parameters[] = {
	{"service", VALUE_NAME, PARAMETER_EXCLUSIVE, NAMES(service, SERVICE),
	 .help = "only this one and its backends"},
	{"pool", VALUE_NAME, PARAMETER_EXCLUSIVE, NAMES(pool, POOL),
	 .help = "only its backends, and the services that use it"},
	{"drops", VALUE_NUMBER, PARAMETER_SWITCH | PARAMETER_EXCLUSIVE, AT(drops),
	 .help = "dropped frames, by reason"},
	{"interval", VALUE_DURATION, 0, AT(interval_ns), 100000000, UINT64_C(3600000000000),
	 .help = "time between two looks (default: 1)"},
	{"count", VALUE_NUMBER, 0, AT(count), 1, UINT32_MAX, .help = "end after so many"},
};

static const struct attribute rollback_parameters[] = {
	{"revision", VALUE_NUMBER, NEEDED | PARAMETER_REVISION, AT(revision), 1, UINT32_MAX,
	 .help = "a revision of `show revisions`"},
};

#define FILE_PARAMETER(flags_, text) \
	{"file", VALUE_TEXT, (flags_) | PARAMETER_RAW | PARAMETER_FILE, AT(file), 0, \
	 FILE_NAME_SIZE, .help = text}

static const struct attribute load_parameters[] = {
	FILE_PARAMETER(NEEDED, "script of configuration commands; - is stdin"),
	{"merge", VALUE_NUMBER, PARAMETER_SWITCH | PARAMETER_EXCLUSIVE, AT(merge),
	 .help = "add to what runs (default)"},
	{"replace", VALUE_NUMBER, PARAMETER_SWITCH | PARAMETER_EXCLUSIVE, AT(replace),
	 .help = "in place of what runs; the file must end with `commit`"},
};

#define SECOND_NS UINT64_C(1000000000)
#define CONFIRM_MAX_NS (7 * 24 * 3600 * SECOND_NS)

static const struct attribute commit_parameters[] = {
	{"check", VALUE_NUMBER, PARAMETER_SWITCH | PARAMETER_EXCLUSIVE, AT(check),
	 .help = "only tell whether it would be accepted, and what it would do"},
	{"confirmed", VALUE_DURATION, PARAMETER_MINUTES | PARAMETER_EXCLUSIVE, AT(confirm_ns),
	 SECOND_NS, CONFIRM_MAX_NS,
	 .help = "taken back after so many minutes, unless you `confirm`"},
	{"comment", VALUE_TEXT, PARAMETER_RAW, AT(comment), 0, TEXT_SIZE,
	 .help = "why, for `show revisions`"},
};

static const struct attribute export_parameters[] = {
	FILE_PARAMETER(OPERAND, "where to (default: stdout)"),
};

static const struct attribute backup_parameters[] = {
	FILE_PARAMETER(NEEDED, "where to; a copy of the whole store"),
};

static const struct keyword capture_words[] = {{"stop", 0, "end the capture that runs"}, {0}};

static const struct attribute capture_parameters[] = {
	{"file", VALUE_TEXT, NEEDED | PARAMETER_RAW | PARAMETER_FILE, AT(file), 0, FILE_NAME_SIZE,
	 .keywords = capture_words,
	 .help = "where to; what became of each frame goes to FILE.verdicts"},
	{"interface", VALUE_INTERFACE, 0, NAMES(name, INTERFACE),
	 .help = "only frames that came in there"},
	{"count", VALUE_NUMBER, 0, AT(count), 1, UINT32_MAX, .help = "end after so many frames"},
	{"filter", VALUE_TEXT, OPERAND | PARAMETER_REST | PARAMETER_PACKETS, AT(file),
	 .help = "only frames that match, as in tcpdump"},
};

static const struct attribute trace_parameters[] = {
	{"count", VALUE_NUMBER, NEEDED, AT(count), 1, 1000, .help = "how many packets"},
	{"filter", VALUE_TEXT, OPERAND | PARAMETER_REST | PARAMETER_PACKETS, AT(file),
	 .help = "only packets that match, as in tcpdump"},
};

static const struct attribute help_parameters[] = {
	{"command", VALUE_TEXT, OPERAND | PARAMETER_REST, AT(file), .help = "its first words"},
};

static const struct attribute terminal_parameters[] = {
	{"length", VALUE_NUMBER, ATTRIBUTE_REQUIRED, AT(length), 0, 10000,
	 .help = "lines of the screen, more go through a pager; 0: no pager"},
};

/* A row for each kind in `kinds`, or one that is about none. */
struct row {
	unsigned kinds;
	struct syntax syntax;
};

#define KIND(name) (1u << KIND_##name)
enum { ALL_KINDS = (1u << KIND_COUNT) - 1, NAMED_KINDS = ALL_KINDS & ~KIND(GLOBAL) };

#define EACH(kinds_, verb, id_, ...) {kinds_, {.id = id_, .words = {verb}, __VA_ARGS__}}
#define ONE(id_, verb, word, text, ...) \
	{0, {.id = id_, .words = {verb, word}, .help = text, .kind = KIND_COUNT, __VA_ARGS__}}
#define SHOW(topic_, word, text, ...) \
	ONE(COMMAND_SHOW, "show", word, text, .topic = TOPIC_##topic_, .pipes = true, __VA_ARGS__)

/* Rows that begin with the same word stand together. */
static const struct row rows[] = {
	EACH(NAMED_KINDS, "add", COMMAND_ADD),
	EACH(ALL_KINDS, "set", COMMAND_SET),
	EACH(NAMED_KINDS, "del", COMMAND_DELETE, .ids_only = true, OWN(delete_parameters)),
	EACH(KIND(SERVICE), "enable", COMMAND_ENABLE, .ids_only = true),
	EACH(KIND(BACKEND), "enable", COMMAND_ENABLE, .ids_only = true, OWN(wait_parameters)),
	EACH(KIND(SERVICE), "disable", COMMAND_DISABLE, .ids_only = true),
	EACH(KIND(BACKEND), "disable", COMMAND_DISABLE, .ids_only = true, OWN(wait_parameters)),
	EACH(KIND(BACKEND), "drain", COMMAND_DRAIN, .ids_only = true, OWN(drain_parameters)),
	SHOW(STATUS, "status", "the appliance at a glance"),
	SHOW(INTERFACE, "interface", "interfaces, their link and their rings", OWN(show_interface)),
	SHOW(NEIGHBOR, "neighbor", "addresses on the links and their MACs", OWN(show_on)),
	SHOW(ROUTE, "route", "connected networks and routes"),
	SHOW(SERVICE, "service", "virtual services", OWN(show_service)),
	SHOW(POOL, "pool", "pools and their Maglev tables", OWN(show_pool)),
	SHOW(BACKEND, "backend", "backends, their state and load", OWN(show_backend)),
	SHOW(CHECK, "check", "health checks and what they found", OWN(show_check)),
	SHOW(FLOW, "flow", "live flows", OWN(show_flow)),
	SHOW(TRACE, "trace", "the way of packets that were traced, step by step"),
	SHOW(DROPS, "drops", "dropped frames, by reason", OWN(show_on)),
	SHOW(STATS, "stats", "frames in and out, by interface", OWN(show_on)),
	ONE(COMMAND_SHOW_CONFIG, "show", "config",
	    "the configuration as a script: the candidate, or what runs", .pipes = true,
	    OWN(show_config)),
	ONE(COMMAND_SHOW_REVISIONS, "show", "revisions", "what can be rolled back to",
	    .topic = TOPIC_REVISIONS, .pipes = true, OWN(show_revisions)),
	SHOW(EVENTS, "events", "what happened lately", OWN(show_events)),
	SHOW(VERSION, "version", "what is installed here"),
	ONE(COMMAND_LOOKUP, "lookup", NULL, "which backend a packet would go to, and why",
	    .pipes = true, OWN(lookup_parameters)),
	ONE(COMMAND_MONITOR, "monitor", NULL, "what goes on, as it goes on",
	    OWN(monitor_parameters)),
	ONE(COMMAND_TRACE, "trace", "add", "trace the next packets, for `show trace`",
	    OWN(trace_parameters)),
	ONE(COMMAND_CAPTURE, "capture", NULL,
	    "received frames into a file, with what became of them", OWN(capture_parameters)),
	ONE(COMMAND_CLEAR_COUNTERS, "clear", "counters", "set all counters to 0"),
	ONE(COMMAND_CLEAR_FLOW, "clear", "flow", "close flows, all or some", OWN(clear_flow)),
	ONE(COMMAND_CLEAR_TRACE, "clear", "trace", "forget what was traced, and trace no more"),
	ONE(COMMAND_CONFIGURE, "configure", NULL,
	    "open a candidate: changes that come into force together, at commit"),
	ONE(COMMAND_COMPARE, "compare", NULL, "what the candidate changes, or what differs",
	    .pipes = true, OWN(compare_parameters)),
	ONE(COMMAND_COMMIT, "commit", NULL, "bring the candidate into force, or end a script",
	    OWN(commit_parameters)),
	ONE(COMMAND_CONFIRM, "confirm", NULL,
	    "keep what `commit confirmed` has brought into force"),
	ONE(COMMAND_DISCARD, "discard", NULL, "drop the candidate", OWN(discard_parameters)),
	ONE(COMMAND_ROLLBACK, "rollback", NULL, "go back to a revision",
	    OWN(rollback_parameters)),
	ONE(COMMAND_LOAD, "load", NULL, "run a script of configuration commands",
	    OWN(load_parameters)),
	ONE(COMMAND_EXPORT, "export", NULL, "write the configuration as a script",
	    OWN(export_parameters)),
	ONE(COMMAND_BACKUP, "backup", NULL, "write a copy of the store", OWN(backup_parameters)),
	ONE(COMMAND_HELP, "help", NULL, "what commands there are, and how they are written",
	    OWN(help_parameters)),
	ONE(COMMAND_HISTORY, "history", NULL, "what was typed before"),
	ONE(COMMAND_TERMINAL, "terminal", NULL, "how much fits on the screen",
	    OWN(terminal_parameters)),
	ONE(COMMAND_QUIT, "quit", NULL, "leave the console; the appliance goes on"),
};

static const struct { const char *verb, *help; } verbs[] = {
	{"add", "make an object"},
	{"set", "change settings of an object"},
	{"del", "remove an object"},
	{"no", "the same as del"},
	{"enable", "take into service"},
	{"disable", "take out of service at once"},
	{"drain", "take no new flows, keep those that there are"},
	{"show", "state and configuration"},
	{"trace", "the way of packets, step by step"},
	{"clear", "counters, flows and traces"},
};

const struct pipe_syntax grammar_pipes[PIPE_TYPES] = {
	[PIPE_MATCH] = {"match", "only lines that match", true},
	[PIPE_EXCEPT] = {"except", "only lines that do not match", true},
	[PIPE_COUNT] = {"count", "how many lines there are", false},
	[PIPE_JSON] = {"json", "as JSON", false},
	[PIPE_NO_MORE] = {"no-more", "without a pager", false},
};

static unsigned row_count(const struct row *row)
{
	return row->kinds ? (unsigned)__builtin_popcount(row->kinds) : 1;
}

unsigned grammar_count(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < COUNT(rows); i++)
		count += row_count(&rows[i]);
	return count;
}

struct syntax grammar_at(unsigned index)
{
	const struct row *row = rows;
	struct syntax syntax;
	unsigned kind = 0;

	for (; index >= row_count(row); row++)
		index -= row_count(row);
	syntax = row->syntax;
	if (!row->kinds)
		return syntax;
	for (;; kind++)
		if (row->kinds & 1u << kind && !index--)
			break;
	syntax.kind = (enum kind)kind;
	syntax.words[1] = schema_of(syntax.kind)->name;
	syntax.help = schema_of(syntax.kind)->help;
	return syntax;
}

const char *grammar_verb_help(const char *verb)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(verbs[i].verb, verb) == 0)
			return verbs[i].help;
	return NULL;
}

/* The schema's attributes with ids first, as the schema has them, then positional ones: the
 * order in which the schema lists them already. In `set`, only ids are told by their place. */
static struct parameter object_parameter(const struct syntax *syntax, unsigned index)
{
	const struct attribute *attribute = &schema_of(syntax->kind)->attribute[index];
	bool adds = syntax->id == COMMAND_ADD;
	unsigned by_place = ATTRIBUTE_ID | (adds ? (unsigned)ATTRIBUTE_POSITIONAL : 0);
	unsigned needed = ATTRIBUTE_ID | (adds ? (unsigned)ATTRIBUTE_REQUIRED : 0);

	return (struct parameter){
		.attribute = attribute, .of_object = true, .index = (int)index,
		.operand = attribute->flags & by_place,
		.required = attribute->flags & needed,
	};
}

static unsigned object_parameters(const struct syntax *syntax)
{
	const struct schema *schema;
	unsigned count = 0;

	if (syntax->kind == KIND_COUNT)
		return 0;
	schema = schema_of(syntax->kind);
	if (!syntax->ids_only)
		return schema->attributes;
	while (count < schema->attributes && schema->attribute[count].flags & ATTRIBUTE_ID)
		count++;
	return count;
}

bool syntax_parameter(const struct syntax *syntax, unsigned index, struct parameter *ret_parameter)
{
	unsigned of_object = object_parameters(syntax);
	const struct attribute *attribute;

	if (index < of_object) {
		*ret_parameter = object_parameter(syntax, index);
		return true;
	}
	if (index - of_object >= syntax->parameters)
		return false;
	attribute = &syntax->parameter[index - of_object];
	*ret_parameter = (struct parameter){
		.attribute = attribute, .index = (int)index,
		.operand = attribute->flags & ATTRIBUTE_POSITIONAL,
		.required = attribute->flags & ATTRIBUTE_REQUIRED,
	};
	return true;
}

/* A name of another object is called by what that is. */
static const char *const kinds[KIND_COUNT] = {
	[KIND_INTERFACE] = "INTERFACE", [KIND_CHECK] = "CHECK", [KIND_POOL] = "POOL",
	[KIND_SERVICE] = "SERVICE",
};

const char *parameter_placeholder(const struct attribute *attribute)
{
	if (attribute->flags & PARAMETER_FILE)
		return "FILE";
	if (attribute->flags & PARAMETER_PACKETS)
		return "FILTER";
	if (attribute->flags & PARAMETER_REST)
		return "COMMAND";
	if (attribute->flags & PARAMETER_PATTERN)
		return "RE";
	if (attribute->flags & PARAMETER_MINUTES)
		return "MIN";
	if (attribute->reference != NOT_A_REFERENCE && kinds[attribute->reference])
		return kinds[attribute->reference];
	return value_placeholder(attribute);
}

static void append(char *text, size_t size, int *used, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void append(char *text, size_t size, int *used, const char *format, ...)
{
	size_t at = (size_t)*used < size ? (size_t)*used : size;
	va_list arguments;

	va_start(arguments, format);
	*used += vsnprintf(text + at, size - at, format, arguments);
	va_end(arguments);
}

static void append_value(char *text, size_t size, int *used, const struct attribute *attribute)
{
	if (attribute->type != VALUE_KEYWORD) {
		append(text, size, used, "%s", parameter_placeholder(attribute));
		return;
	}
	for (const struct keyword *k = attribute->keywords; k->name; k++)
		append(text, size, used, "%s%s", k == attribute->keywords ? "{" : "|", k->name);
	append(text, size, used, "}");
}

int parameter_usage(const struct parameter *p, char *ret_text, size_t size)
{
	int used = 0;

	if (!p->operand)
		append(ret_text, size, &used, "%s", p->attribute->name);
	if (p->attribute->flags & PARAMETER_SWITCH)
		return used;
	if (!p->operand)
		append(ret_text, size, &used, " ");
	append_value(ret_text, size, &used, p->attribute);
	return used;
}

/* "[weight N]", and "[merge|replace]" where only one of several will do. */
static void append_parameter(char *text, size_t size, int *used, const struct parameter *p,
			     bool follows, bool joined)
{
	char usage[256];

	parameter_usage(p, usage, sizeof(usage));
	if (!follows)
		append(text, size, used, p->required ? " " : " [");
	append(text, size, used, "%s%s", usage, joined ? "|" : p->required ? "" : "]");
	if (p->attribute->type == VALUE_ADDRESSES)
		append(text, size, used, "...");
}

int syntax_usage(const struct syntax *syntax, char *ret_text, size_t size)
{
	struct parameter p, next;
	bool joined = false;
	int used = 0;

	append(ret_text, size, &used, "%s", syntax->words[0]);
	if (syntax->words[1])
		append(ret_text, size, &used, " %s", syntax->words[1]);
	for (unsigned i = 0; syntax_parameter(syntax, i, &p); i++) {
		bool follows = joined;

		joined = syntax_parameter(syntax, i + 1, &next) &&
			 p.attribute->flags & next.attribute->flags & PARAMETER_EXCLUSIVE;
		append_parameter(ret_text, size, &used, &p, follows, joined);
	}
	for (unsigned i = 0; syntax->pipes && i < PIPE_TYPES; i++)
		append(ret_text, size, &used, "%s%s%s%s", i ? "|" : " [| {", grammar_pipes[i].word,
		       grammar_pipes[i].value ? " RE" : "", i == PIPE_TYPES - 1 ? "}]..." : "");
	return used;
}
