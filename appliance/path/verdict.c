#include "appliance/path/verdict.h"

static const struct {
	const char *name;
	const char *text;
} outcomes[VERDICT_COUNT] = {
#define X(upper, name, text) [VERDICT_##upper] = {#name, text},
	VERDICT_OUTCOMES(X)
#undef X
#define X(name, text) [DROP_##name] = {#name, text},
	VERDICT_DROPS(X)
#undef X
};

const char *verdict_name(enum verdict verdict)
{
	return outcomes[verdict].name;
}

const char *verdict_text(enum verdict verdict)
{
	return outcomes[verdict].text;
}
