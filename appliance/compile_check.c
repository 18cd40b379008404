/* Checks of a snapshot: targets, and the heartbeats that strangers may join by. */
#include <errno.h>
#include <string.h>

#include "appliance/compile_work.h"

static uint8_t probe_type(uint32_t check_type)
{
	static const uint8_t types[] = {
		[CHECK_ICMP] = PROBE_ICMP, [CHECK_TCP] = PROBE_TCP, [CHECK_UDP] = PROBE_UDP,
		[CHECK_ARP] = PROBE_ARP, [CHECK_HEARTBEAT] = PROBE_HEARTBEAT,
	};

	return types[check_type];
}

/* Text that the path reads for as long as the snapshot lives. */
static const char *keep_text(struct work *work, const char *text)
{
	char *copy = arena_array(work->compiled->arena, strlen(text) + 1, 1);

	return copy ? strcpy(copy, text) : NULL;
}

static uint16_t key_length(const char *key)
{
	return (uint16_t)(strlen(key) / 2);
}

static uint8_t digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The bytes of a key, likewise; NULL where there is none. */
static const uint8_t *keep_key(struct work *work, const char *key)
{
	uint16_t length = key_length(key);
	uint8_t *bytes = length ? arena_array(work->compiled->arena, length, 1) : NULL;

	for (uint16_t i = 0; bytes && i < length; i++)
		bytes[i] = (uint8_t)(digit(key[2 * i]) << 4 | digit(key[2 * i + 1]));
	return bytes;
}

static uint32_t registration_id(const struct work *work, const struct config_check *check)
{
	return check->registers.length ?
		       slots_find(work->compiler->registrations, check->name) : NONE;
}

uint32_t compile_registration_of(const struct work *work, const struct config_check *check)
{
	uint32_t id = registration_id(work, check);

	for (uint32_t i = 0; i < work->compiled->snapshot.registrations; i++)
		if (work->registration[i].id == id)
			return i;
	return NONE;
}

static int compile_registration(struct work *work, const struct config_check *check)
{
	const struct members *members = work->compiler->members;
	uint32_t id = slots_claim(work->compiler->registrations, check->name);

	if (id == NONE)
		return compile_refuse(work, "checks with `register`", REGISTRATIONS_MAX);
	work->registration[work->compiled->snapshot.registrations++] =
		(struct snapshot_registration){
			.id = id,
			.prefix = check->registers.address,
			.length = check->registers.length,
			.full = !members || members_of(members, check->name) >= check->register_max,
			.heartbeat_port = to_be16((uint16_t)check->from_port),
			.key = keep_key(work, check->key),
			.key_length = key_length(check->key),
		};
	return 0;
}

int compile_registrations(struct work *work)
{
	int result = 0;

	for (unsigned i = 0; !result && i < config_count(work->config, KIND_CHECK); i++) {
		const struct config_check *check = config_at(work->config, KIND_CHECK, i);

		if (check->registers.length)
			result = compile_registration(work, check);
	}
	return result;
}

uint32_t compile_target(struct work *work, const struct config_check *check,
			       const struct config_backend *backend)
{
	struct snapshot *snapshot = &work->compiled->snapshot;
	char key[KEY_SIZE];

	compile_target_key(check, backend, key);
	uint32_t id = slots_claim(work->compiler->targets, key);
	if (id == NONE)
		return NONE;
	uint32_t *index = &work->target_by_slot[id & SLOT_MASK];
	if (*index != NONE)
		return *index;
	*index = snapshot->targets++;
	work->target[*index] = (struct snapshot_target){
		.id = id,
		.address = backend->address.address,
		.port = to_be16((uint16_t)(check->port ? check->port : backend->address.port)),
		.type = probe_type(check->type),
		.heartbeat_port = to_be16((uint16_t)check->from_port),
		.rise = check->rise,
		.fall = check->fall,
		.interval_ns = check->interval_ns,
		.timeout_ns = check_timeout_ns(check),
		.payload = keep_text(work, check->payload),
		.expect = keep_text(work, check->expect),
		.key = keep_key(work, check->key),
		.key_length = key_length(check->key),
		.registration = compile_registration_of(work, check),
		.payload_length = (uint16_t)strlen(check->payload),
		.expect_length = (uint16_t)strlen(check->expect),
	};
	return *index;
}
