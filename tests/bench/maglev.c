/* How long Maglev tables take to build: maglev ROUNDS MEMBERS...
 *
 * For each number of members a table of equal weights and one of weights 1 to 100, by turns, a JSON
 * line each.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "appliance/path/maglev.h"

enum { WEIGHTS = 100, NETWORK = 10 << 24, PORT = 8080 };

static uint16_t table[MAGLEV_SIZE];
static struct maglev_member members[MAGLEV_MEMBERS_MAX];

_Noreturn static void fail(const char *sentence)
{
	fprintf(stderr, "maglev bench: %s\n", sentence);
	exit(EXIT_FAILURE);
}

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void build(uint32_t count, bool weighted)
{
	void *scratch = malloc(maglev_scratch_size(count));

	if (!scratch)
		fail("not enough memory");
	for (uint32_t i = 0; i < count; i++)
		members[i] = (struct maglev_member){
			.address = to_be32(NETWORK | (i + 1)), .port = PORT,
			.weight = weighted ? i % WEIGHTS + 1 : 1};
	uint64_t start = clock_ns();
	if (!maglev_build(table, members, count, 0, scratch))
		fail("a table without members");
	printf("{\"members\": %u, \"weighted\": %s, \"ns\": %" PRIu64 "}\n", count,
	       weighted ? "true" : "false", clock_ns() - start);
	free(scratch);
}

static uint32_t number(const char *text)
{
	char *end;

	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (errno || *end || end == text || !value || value > MAGLEV_MEMBERS_MAX)
		fail("usage: maglev ROUNDS MEMBERS...");
	return (uint32_t)value;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		fail("usage: maglev ROUNDS MEMBERS...");
	for (uint32_t round = number(argv[1]); round > 0; round--)
		for (int i = 2; i < argc; i++) {
			build(number(argv[i]), false);
			build(number(argv[i]), true);
		}
	return EXIT_SUCCESS;
}
