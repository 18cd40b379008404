/* An appliance in memory and a session with it whose words are only digested: what the fuzzers of the
 * console and of scripts share. */
#ifndef TESTS_PROOF_FUZZ_TALKER_H
#define TESTS_PROOF_FUZZ_TALKER_H

#include "cli/session.h"
#include "tests/unit/fake_appliance.h"

enum { TALKER_TOLD = 256 };

struct talker {
	struct fake fake;
	struct appliance appliance;
	struct session *session;
	char needed[TALKER_TOLD];  /* the file that a command wants to be sent with */
	enum exit_status status;
	unsigned done, errors;     /* of the request at hand */
	uint64_t digest;
	bool tell;
};

void talker_begin(struct talker *talker, bool tell);
void talker_end(struct talker *talker);
/* Runs to its end, or interrupts it after a while; `content`: of every file that it asks for. */
enum exit_status talker_run(struct talker *talker, struct request request, const char *content,
			    size_t size);
enum exit_status talker_script(struct talker *talker, unsigned flags, const char *text, size_t size);
void talker_digest(struct talker *talker, const void *bytes, size_t size);

/* Ends the program with a sentence. */
void talker_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* A script that rebuilds what runs does so, and changes nothing where it runs already. */
void talker_check_export(struct talker *talker);

#endif
