/* Lines that run after the commit: whether what they name will be there is asked before it, so that a
 * script which is told to have failed has changed nothing. */

#include "cli/engine.h"

/* Backends are not asked for: they come and go by heartbeats, too. */
static bool is_asked_for(const struct parameter *parameter)
{
	enum kind kind = parameter->attribute->reference;

	return !parameter->of_object && (kind == KIND_INTERFACE || kind == KIND_CHECK ||
					 kind == KIND_POOL || kind == KIND_SERVICE);
}

/* The first name that the line in session->command has and the configuration has not; 0 or -ENOENT
 * with session->fault. */
static int find_missing(const struct session *session, const struct config *config)
{
	const struct command *command = session->command;
	struct complaint complaint;
	struct parameter parameter;

	for (unsigned i = 0; syntax_parameter(&command->syntax, i, &parameter); i++) {
		int word = is_asked_for(&parameter) ? command->option_word[parameter.index] : -1;
		const char *name = word < 0 ? NULL : command->words.word[word].text;
		enum kind kind = parameter.attribute->reference;

		if (!name || config_find_name(config, kind, name))
			continue;
		int error = config_missing(config, kind, name, COMPLAINT_WHOLE, &complaint);
		command_fault_word(command, word, session->fault, "%s", complaint.text);
		return error;
	}
	return 0;
}

unsigned later_fails(struct session *session, const struct config *config)
{
	unsigned failed = 0;

	for (size_t i = session->acts_done; i < session->acts; i++) {
		const struct place *place = &session->act[i].place;
		bool prefixes = session->request.flags & REQUEST_PREFIXES;

		if (command_match(place->line, place->size, prefixes, session->command,
				  session->fault) <= 0)
			continue;
		if (find_missing(session, config)) {
			session_fault(session, place, STATUS_REJECTED);
			failed++;
		}
		command_free(session->command);
	}
	return failed;
}
