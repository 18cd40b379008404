/* Every step of a commit that can fail, fails: memory at each allocation, the disk at each call and
 * in each way. Whatever was refused has changed nothing, in memory, on disk, in the path, and the
 * person has been told; whatever was not is in force whole. */
#include "tests/unit/house.h"

#include "cli/script.h"
#include "store/database.h"

/* ---- memory that lacks once ---- */

static struct {
	bool armed, hit;
	unsigned left;      /* allocations before the one that fails */
} memory;

/* A sanitizer has an allocator of its own. */
#ifdef LB_SANITIZED
enum { MEMORY_CAN_LACK = false };
#else
enum { MEMORY_CAN_LACK = true };

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool memory_lacks(void)
{
	if (!memory.armed || memory.left--)
		return false;
	memory.armed = false;
	memory.hit = true;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return memory_lacks() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return memory_lacks() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return memory_lacks() ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return memory_lacks() ? NULL : __libc_memalign(alignment, size);
}

#endif

static void memory_fails_at(unsigned number)
{
	memory.left = number;
	memory.hit = false;
	memory.armed = true;
}

static bool memory_failed(void)
{
	memory.armed = false;
	return memory.hit;
}

/* ---- a disk that fails once ---- */

enum disk_call { DISK_WRITE, DISK_SYNC, DISK_TRUNCATE, DISK_CALLS };

/* SQLite's own methods for a file stand behind ours. */
struct disk_file {
	const sqlite3_io_methods *real;
	sqlite3_io_methods failing;
};

static struct {
	struct disk_file database, log;
	enum disk_call call;
	int code;
	bool armed, hit;
	unsigned left;
} disk;

static bool disk_fails(enum disk_call call)
{
	if (!disk.armed || call != disk.call || disk.left--)
		return false;
	disk.armed = false;
	disk.hit = true;
	return true;
}

static struct disk_file *disk_file(sqlite3_file *file)
{
	return file->pMethods == &disk.log.failing ? &disk.log : &disk.database;
}

static int fail_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
	return disk_fails(DISK_WRITE) ? disk.code :
					disk_file(file)->real->xWrite(file, bytes, size, offset);
}

static int fail_sync(sqlite3_file *file, int flags)
{
	return disk_fails(DISK_SYNC) ? disk.code : disk_file(file)->real->xSync(file, flags);
}

static int fail_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return disk_fails(DISK_TRUNCATE) ? disk.code : disk_file(file)->real->xTruncate(file, size);
}

static void stand_before(struct disk_file *place, sqlite3_file *file)
{
	place->real = file->pMethods;
	place->failing = *file->pMethods;
	place->failing.xWrite = fail_write;
	place->failing.xSync = fail_sync;
	place->failing.xTruncate = fail_truncate;
	file->pMethods = &place->failing;
}

static void disk_watch(struct house *house)
{
	sqlite3 *db = house->control.store->db;
	sqlite3_file *file;

	assert_int_equal(sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file),
			 SQLITE_OK);
	stand_before(&disk.database, file);
	assert_int_equal(sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file),
			 SQLITE_OK);
	assert_non_null(file->pMethods);
	stand_before(&disk.log, file);
}

/* ---- what must not change ---- */

struct before {
	struct config *config;
	uint64_t revision, waiting;
	const struct compiled *compiled;
	char *target;
	struct lookup lookup;
};

static struct lookup look(struct house *house)
{
	be32 client, vip;
	struct lookup lookup;

	parse_address("198.51.100.7", &client);
	parse_address("203.0.113.10", &vip);
	path_lookup(house->path, client, to_be16(1000), vip, to_be16(80), PROTOCOL_NUMBER_TCP,
		    house->now_ns, &lookup);
	return lookup;
}

static char *target_text(const struct house *house)
{
	const struct config *target = house->control.confirm.target;

	return target ? config_text(target) : strdup("nothing waits");
}

static struct before note(struct house *house)
{
	return (struct before){
		.config = config_copy(house->control.running),
		.revision = house->control.revision,
		.waiting = house->control.confirm.revision,
		.compiled = house->control.compiler.current,
		.target = target_text(house),
		.lookup = look(house),
	};
}

static void note_free(struct before *before)
{
	config_free(before->config);
	free(before->target);
}

static void assert_waits_on_disk(const struct house *house)
{
	struct unconfirmed row;
	char error[512], *text = target_text(house);

	assert_int_equal(store_unconfirmed(house->control.store, &row, error, sizeof(error)), 0);
	assert_int_equal(row.revision, house->control.confirm.revision);
	if (row.revision)
		assert_string_equal(row.text, text);
	free(row.text);
	free(text);
}

static void assert_unchanged(struct house *house, const struct before *before)
{
	struct lookup now = look(house);
	char *target = target_text(house);

	assert_int_equal(config_compare(house->control.running, before->config, NULL, NULL), 0);
	assert_int_equal(house->control.revision, before->revision);
	assert_int_equal(house->control.confirm.revision, before->waiting);
	assert_ptr_equal(house->control.compiler.current, before->compiled);
	assert_string_equal(target, before->target);
	assert_int_equal(now.verdict, before->lookup.verdict);
	assert_int_equal(now.backend, before->lookup.backend);
	assert_int_equal(now.slot, before->lookup.slot);
	free(target);
}

static void assert_disk_agrees(const struct house *house)
{
	assert_stored(house);
	assert_waits_on_disk(house);
}

/* ---- a commit of each sort ---- */

static const char base[] =
	"add interface ext role frontend address 198.51.100.1/24\n"
	"add interface int role backend address 10.0.0.1/24\n"
	"add pool old\nadd pool web\nadd backend old 10.0.0.21:80\n"
	"add backend web 10.0.0.11:80\nadd backend web 10.0.0.12:80\n"
	"add service web 203.0.113.10:80/tcp pool web\n";

/* Of every kind of object, and one Maglev table to build or, since that takes its time, none. */
#define CHANGE \
	"set global forwarding on\nadd interface more role backend address 10.2.0.1/24\n" \
	"add route 192.0.2.0/24 via 10.0.0.254\n" \
	"add neighbor 10.0.0.11 mac 02:00:00:00:00:11 interface int\n" \
	"add check hc tcp\nadd pool new check hc\nadd backend new 10.0.0.31:80\n" \
	"del backend old 10.0.0.21:80\ndel pool old\nset backend web 10.0.0.11:80 name one\n" \
	"add service new 203.0.113.20:53/any pool new\n"

static const char change[] = CHANGE, change_and_table[] = CHANGE
	"add backend web 10.0.0.13:80\n";

static void to_nobody(void *context, const char *sentence)
{
	(void)context;
	(void)sentence;
}

enum { DISK_LOOKS = 64 }; /* the disk is looked at after so many that were refused */

struct attempt {
	const char *name, *change;
	unsigned stride;     /* of the allocations that fail; most are the same in all of them */
	uint64_t confirm_ns;
	bool waits;          /* somebody else's commit waits already */
};

static const struct attempt attempts[] = {
	{"a commit", change_and_table, 1, 0, false},
	{"a commit confirmed", change, 5, 300 * UINT64_C(1000000000), false},
	{"a commit beside one that waits", change, 5, 0, true},
};

/* The house, a candidate, and what it is to be committed as. */
static struct config *prepare(struct house *house, const struct attempt *attempt)
{
	struct talk *alice = house_dial(house, "alice");
	struct config *candidate;
	char error[512];

	assert_int_equal(script(alice, base), STATUS_DONE);
	if (attempt->waits)
		assert_int_equal(script(alice, "set pool web affinity source-ip\n"
					       "commit confirmed 5\n"), STATUS_DONE);
	hang_up(alice);
	candidate = config_copy(house->control.running);
	if (script_apply(candidate, attempt->change, strlen(attempt->change), error,
			 sizeof(error)))
		fail_msg("%s", error);
	return candidate;
}

/* False where it was refused; then nothing has changed, and why is said. */
static bool try_commit(struct house *house, const struct attempt *attempt,
		       const struct config *candidate, const struct before *before)
{
	const struct commit_note note = {
		.user = "bob", .comment = "try", .confirm_ns = attempt->confirm_ns,
	};
	char error[1024] = "";
	uint64_t revision;
	int result = control_commit(&house->control, candidate, &note, to_nobody, NULL, &revision,
				    error, sizeof(error));
	bool failed = memory_failed() || disk.hit;

	disk.armed = false;
	if (result < 0) {
		assert_true(failed);
		assert_true(strlen(error) > 5);
		assert_unchanged(house, before);
		return false;
	}
	assert_int_equal(result, 1);
	assert_int_equal(revision, before->revision + 1);
	assert_int_equal(config_compare(house->control.running, candidate, NULL, NULL), 0);
	assert_true(house->control.compiler.current != before->compiled);
	assert_disk_agrees(house);
	return true;
}

/* From this allocation on, up to one that a commit can do without: then it is done. What is left of
 * any of those that were refused is found on disk in the end. Returns how many were. */
static unsigned fail_from(const struct attempt *attempt, unsigned number, bool *ret_hit)
{
	struct house *house = house_new();
	struct config *candidate = prepare(house, attempt);
	struct before before = note(house);
	unsigned refused = 0;
	bool done = false;

	while (!done) {
		memory_fails_at(number + refused * attempt->stride);
		done = try_commit(house, attempt, candidate, &before);
		*ret_hit = memory.hit;
		if (!done && ++refused % DISK_LOOKS == 0)
			assert_disk_agrees(house);
	}
	note_free(&before);
	config_free(candidate);
	house_free(house);
	return refused;
}

static void memory_fails_everywhere_once(void **state)
{
	(void)state;
	if (!MEMORY_CAN_LACK)
		skip();
	for (size_t i = 0; i < COUNT(attempts); i++) {
		unsigned number = 0, spared = 0;
		bool hit = true;

		for (; hit; spared++)
			number += (fail_from(&attempts[i], number, &hit) + 1) * attempts[i].stride;
		print_message("%s: %u allocations, %u failures were of no consequence\n",
			      attempts[i].name, number, spared - 1);
		assert_true(number > 100);
	}
}

static void the_disk_fails_at_each_call_and_in_each_way(void **state)
{
	static const int codes[] = {
		SQLITE_FULL, SQLITE_BUSY, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC, SQLITE_READONLY,
		SQLITE_NOMEM,
	};
	unsigned refused = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(attempts) * COUNT(codes) * DISK_CALLS; i++) {
		const struct attempt *attempt = &attempts[i % COUNT(attempts)];
		struct house *house = house_new();
		struct config *candidate = prepare(house, attempt);
		struct before before = note(house);
		bool done = false;

		disk_watch(house);
		disk.code = codes[i / COUNT(attempts) % COUNT(codes)];
		disk.call = (enum disk_call)(i / COUNT(attempts) / COUNT(codes));
		for (unsigned number = 0; !done; number++) {
			disk.left = number;
			disk.hit = false;
			disk.armed = true;
			done = try_commit(house, attempt, candidate, &before);
			refused += !done;
			assert_disk_agrees(house);
		}
		note_free(&before);
		config_free(candidate);
		house_free(house);
	}
	print_message("refused %u times\n", refused);
	assert_true(refused > 50);
}

/* As a person has it, at a console with an open candidate: told, and able to go on. */
static void whoever_commits_is_told_and_keeps_the_candidate(void **state)
{
	struct house *house = house_new();
	struct talk *alice = house_dial(house, "alice");
	struct before before;

	(void)state;
	script(alice, base);
	command(alice, "configure");
	command(alice, "set backend web 10.0.0.11:80 weight 7");
	before = note(house);
	disk_watch(house);
	disk.call = DISK_WRITE;
	disk.code = SQLITE_FULL;
	disk.left = 0;
	disk.armed = true;
	assert_int_equal(command(alice, "commit"), STATUS_REJECTED);
	assert_non_null(strstr(alice->err, "error: the disk is full, "));
	assert_non_null(strstr(alice->err, "error: nothing was applied (still at r1)\n"));
	assert_string_equal(alice->console, "");
	assert_unchanged(house, &before);
	assert_disk_agrees(house);
	assert_int_equal(command(alice, "commit"), STATUS_DONE);
	assert_string_equal(alice->out, "r2 active.\n");
	note_free(&before);
	hang_up(alice);
	house_free(house);
}

/* Memory lacks anywhere in the work of a session: it answers all the same, and is whole after. */
static void memory_fails_everywhere_once_in_a_session(void **state)
{
	static const char *const lines[] = {
		"configure", "add pool a", "compare", "commit check",
		"lookup 198.51.100.7:1 203.0.113.10:80/tcp", "show config", "discard 1",
		"add pool a", "commit confirmed 5", "confirm", "rollback 1", "export",
	};
	struct house *house;
	struct talk *alice;

	(void)state;
	if (!MEMORY_CAN_LACK)
		skip();
	house = house_new();
	alice = house_dial(house, "alice");
	script(alice, base);
	for (size_t i = 0; i < COUNT(lines); i++) {
		bool hit = true;

		for (unsigned number = 0; hit; number++) {
			memory_fails_at(number);
			command(alice, lines[i]);
			hit = memory_failed();
			assert_int_equal(alice->done, 1);
			if (number % DISK_LOOKS == 0)
				assert_disk_agrees(house);
			if (alice->status != STATUS_DONE)
				assert_true(strlen(alice->err) > 5);
			else if (hit)
				break;   /* done in spite of it: not to be done twice */
		}
	}
	hang_up(alice);
	house_free(house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_fails_everywhere_once),
		cmocka_unit_test(the_disk_fails_at_each_call_and_in_each_way),
		cmocka_unit_test(whoever_commits_is_told_and_keeps_the_candidate),
		cmocka_unit_test(memory_fails_everywhere_once_in_a_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
