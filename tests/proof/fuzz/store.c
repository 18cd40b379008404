/* The store's file, damaged: a store of three revisions with bytes changed, moved, or cut off, as the
 * input says. It is refused with a sentence and left as it is, or holds exactly what it held; it is never
 * half of that, and lbd never starts empty in its place. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store.h"
#include "tests/proof/fuzz/fuzz.h"

enum { ERROR_SIZE = 16384, REVISIONS = 3, DAMAGES_MAX = 32 };

/* One piece of damage: big-endian places in the file. */
struct damage {
	uint8_t how, from[3], to[3], size;
};
_Static_assert(sizeof(struct damage) == 8, "damage is cut by 8");

static char directory[64], file[80], error[ERROR_SIZE];
static uint8_t *pristine;
static size_t pristine_size;
static struct config *whole;

static void fail(const char *what)
{
	fprintf(stderr, "FAILED: %s\n%s\n", what, error);
	abort();
}

static void remove_files(void)
{
	static const char *const ends[] = {"", "-wal", "-shm", ".backup", "-journal", ".lock"};
	char path[128];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", file, ends[i]);
		unlink(path);
	}
}

static void clean_up(void)
{
	remove_files();
	rmdir(directory);
}

static void change(struct config *config, enum kind kind, const char *const *pairs)
{
	struct change change = {.verb = VERB_ADD, .kind = kind, .object = object_new(kind)};
	struct complaint complaint = {.text = ""};
	char said[256];

	for (; *pairs; pairs += 2) {
		const struct attribute *attribute = schema_attribute(kind, pairs[0]);

		if (value_parse(attribute, pairs[1], (uint8_t *)change.object + attribute->offset, said,
				sizeof(said)))
			fail(said);
		change.given |= 1U << (attribute - schema_of(kind)->attribute);
	}
	if (config_apply(config, &change, &complaint) < 0)
		fail(complaint.text);
	object_free(change.object);
}

static void commit(struct store *store, struct config **config, enum kind kind,
		   const char *const *pairs)
{
	struct revision revision = {.time_s = 1700000000, .user = "alice", .comment = "as told"};
	struct config *next = config_copy(*config);

	change(next, kind, pairs);
	if (store_commit(store, *config, next, &revision, error, sizeof(error)))
		fail("the store cannot be made");
	config_free(*config);
	*config = next;
}

static void keep_pristine(void)
{
	struct stat stat;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &stat))
		fail("the store cannot be read");
	pristine_size = (size_t)stat.st_size;
	pristine = malloc(pristine_size);
	if (!pristine || read(fd, pristine, pristine_size) != (ssize_t)pristine_size)
		fail("the store cannot be read");
	close(fd);
}

void fuzz_init(void)
{
	static const char *const interface[] = {"name", "ext", "role", "both", "address",
						"198.51.100.1/24", NULL};
	static const char *const pool[] = {"name", "web", NULL};
	static const char *const backend[] = {"pool", "web", "address", "198.51.100.11:80", NULL};
	const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	struct store *store;
	uint64_t revision;

	snprintf(directory, sizeof(directory), "%s/lb-fuzz-XXXXXX", place);
	if (!mkdtemp(directory))
		fail("no directory");
	snprintf(file, sizeof(file), "%s/lb.db", directory);
	atexit(clean_up);
	if (store_open(&store, file, error, sizeof(error)) ||
	    store_load(store, &whole, &revision, error, sizeof(error)))
		fail("the store cannot be made");
	commit(store, &whole, KIND_INTERFACE, interface);
	commit(store, &whole, KIND_POOL, pool);
	commit(store, &whole, KIND_BACKEND, backend);
	store_close(store);
	keep_pristine();
}

static size_t place_of(const uint8_t at[3])
{
	return ((size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2]) % pristine_size;
}

static size_t damage_copy(uint8_t *copy, size_t size, const struct damage *damage)
{
	size_t from = place_of(damage->from), to = place_of(damage->to);
	size_t length = damage->size;

	if (to + length > size || from + length > size)
		length = 0;
	switch (damage->how % 6) {
	case 0: copy[from % size] = damage->to[0]; break;
	case 1: copy[from % size] ^= (uint8_t)(1 << damage->size % 8); break;
	case 2: memmove(copy + to, copy + from, length); break;
	case 3: memset(copy + to, damage->from[0], length); break;
	case 4: return damage->size < 8 ? size - (from % size) : size;
	default: /* a page in the place of another */
		from = from / 4096 * 4096;
		to = to / 4096 * 4096;
		if (from + 4096 <= size && to + 4096 <= size)
			memmove(copy + to, copy + from, 4096);
		break;
	}
	return size ? size : 1;
}

static void write_copy(const uint8_t *copy, size_t size)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, copy, size) != (ssize_t)size)
		fail("the store cannot be written");
	close(fd);
}

static void check_left_alone(const uint8_t *copy, size_t size)
{
	uint8_t *now = malloc(size + 1);
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, now, size + 1) != (ssize_t)size || memcmp(now, copy, size) != 0)
		fail("a store that is refused was changed");
	close(fd);
	free(now);
}

static int check_contents(struct store *store)
{
	struct config *config;
	uint64_t revision;
	char text[4096], *revision_text;

	if (store_load(store, &config, &revision, error, sizeof(error)))
		fail("a store was opened and cannot be loaded");
	if (config_compare(config, whole, NULL, NULL) || revision != REVISIONS)
		fail("a damaged store was taken for another");
	config_free(config);
	for (uint64_t i = 1; i <= REVISIONS; i++) {
		if (store_revision_text(store, i, &revision_text, error, sizeof(error)))
			fail("a store was opened and lacks a revision");
		free(revision_text);
	}
	store_describe(store, text, sizeof(text));
	store_close(store);
	return 1;
}

uint64_t fuzz_one(const uint8_t *data, size_t size, int tell)
{
	size_t damages = size / sizeof(struct damage), left = pristine_size;
	uint8_t *copy = malloc(pristine_size);
	struct store *store = NULL;
	int result;

	memcpy(copy, pristine, pristine_size);
	for (size_t i = 0; i < damages && i < DAMAGES_MAX && left; i++)
		left = damage_copy(copy, left, (const struct damage *)data + i);
	remove_files();
	write_copy(copy, left);
	error[0] = 0;
	result = store_open(&store, file, error, sizeof(error));
	if (tell)
		printf("%d %s\n", result, error);
	if (result && (store || strlen(error) <= strlen(file)))
		fail("a store is refused without a sentence");
	if (result)
		check_left_alone(copy, left);
	else
		check_contents(store);
	free(copy);
	/* SQLite's sentences may differ from one of its versions to the next: the verdict may not. */
	return (uint64_t)(unsigned)result;
}
