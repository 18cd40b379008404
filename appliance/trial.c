#include "appliance/trial.h"

int trial_begin(struct control *control, const struct config *candidate, struct trial *ret_trial,
		char *error, size_t error_size)
{
	int result = config_validate(candidate, NULL, NULL, error, error_size);

	if (result)
		return result;
	control->compiler.new_is_up = true;
	result = control_compile(control, candidate, &ret_trial->serving, &ret_trial->compiled,
				 error, error_size);
	control->compiler.new_is_up = false;
	return result;
}

void trial_end(struct control *control, struct trial *trial)
{
	compile_discard(&control->compiler, trial->compiled);
	config_free(trial->serving);
}

void trial_swap(struct control *control, struct trial *trial)
{
	struct config *serving = control->serving;
	struct compiled *compiled = control->compiler.current;

	control->serving = trial->serving;
	control->compiler.current = trial->compiled;
	trial->serving = serving;
	trial->compiled = compiled;
}

bool trial_unchecked(const struct control *control, const struct trial *trial,
		     const struct config_backend *backend)
{
	uint32_t target = compiler_target_id(&control->compiler, trial->serving, backend);

	return target != NONE &&
	       snapshot_target_of(&control->compiler.current->snapshot, target) == NONE;
}
