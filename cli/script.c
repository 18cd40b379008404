#include "cli/script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/match.h"

/* 0 also where the line is empty or a comment. */
static int apply_line(struct config *config, struct command *command, const char *line, size_t size,
		      struct fault *fault)
{
	struct complaint complaint = {.word = COMPLAINT_WHOLE};
	int result = command_match(line, size, false, command, fault);

	if (result <= 0)
		return result;
	if (command->change.object) {
		result = config_apply(config, &command->change, &complaint);
		if (result < 0)
			command_fault(command, result, &complaint, fault);
	} else {
		result = command_fault_whole(command, fault, "%s configures nothing",
					     command->words.word[0].text);
	}
	command_free(command);
	return result < 0 ? result : 0;
}

int script_apply(struct config *config, const char *text, size_t size, char *error,
		 size_t error_size)
{
	struct command *command = calloc(1, sizeof(*command));
	struct fault *fault = calloc(1, sizeof(*fault));
	int result = command && fault ? 0 : -ENOMEM;
	unsigned number = 0;
	const char *line;
	size_t at = 0, length;

	snprintf(error, error_size, "out of memory");
	while (!result && script_line(text, size, &at, &line, &length)) {
		number++;
		result = apply_line(config, command, line, length, fault);
		if (result && result != -ENOMEM)
			snprintf(error, error_size, "line %u: %.400s", number, fault->text);
	}
	free(command);
	free(fault);
	return result;
}

struct config *script_config(const char *text, char *error, size_t error_size)
{
	struct config *config = config_new();

	snprintf(error, error_size, "out of memory");
	if (config && script_apply(config, text, strlen(text), error, error_size)) {
		config_free(config);
		return NULL;
	}
	return config;
}
