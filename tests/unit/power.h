/* A disk that remembers what was asked of it: for tests that cut the power, or let a call fail.
 *
 * The functions of the C library that change files are defined here, so that store/file.c, SQLite's
 * own VFS and whatever else is linked go through them unchanged; they do what they should on real
 * files. Below one directory, the root, every change is also recorded, and so are the syncs: from
 * that, power_cut.h tells what a disk may hold if the power goes at any step (the method of ALICE:
 * Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014).
 *
 * Defines open() and others: for one test program's only source.
 */
#ifndef TESTS_POWER_H
#define TESTS_POWER_H

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/power_recording.h"

enum { POWER_DESCRIPTORS_MAX = 256 };

static struct {
	char root[512];
	struct recording *into; /* NULL: nothing is recorded */
	struct entries entries; /* as they are now */
	struct {
		bool open;
		unsigned node;
		char name[POWER_NAME_SIZE];
	} file[POWER_DESCRIPTORS_MAX]; /* by descriptor */
	/* The errno that this change of a file fails with, or 0; NULL: none fails. */
	int (*refuse)(enum step_kind kind, const char *name);
} power;

/* Relative to the root; NULL where it is not below it, or nothing is recorded. */
static const char *power_name(const char *path)
{
	size_t length = strlen(power.root);

	if (!power.into || strncmp(path, power.root, length) != 0)
		return NULL;
	if (!path[length])
		return path + length;
	return path[length] == '/' ? path + length + 1 : NULL;
}

/* Recording. */

static inline struct step *power_step(enum step_kind kind, const char *name, unsigned node)
{
	return recording_step(power.into, kind, name, node);
}

static inline void power_mark(int mark, uint64_t number)
{
	struct step *step = power_step(STEP_MARK, "", 0);

	step->mark = mark;
	step->number = number;
}

/* Whether this change is to fail, with errno set. */
static inline bool power_fails(enum step_kind kind, const char *name)
{
	int code = power.refuse ? power.refuse(kind, name) : 0;

	if (code)
		errno = code;
	return code != 0;
}

static inline void power_opened(int descriptor, const char *name, int flags)
{
	const struct entry *entry = entries_find(&power.entries, name);
	unsigned node;

	assert_true(descriptor < POWER_DESCRIPTORS_MAX);
	if (!entry) {
		node = recording_node(power.into, false);
		entries_step(&power.entries, power_step(STEP_CREATE, name, node));
	} else {
		node = entry->node;
		if (flags & O_TRUNC)
			power_step(STEP_TRUNCATE, name, node);
	}
	power.file[descriptor].open = true;
	power.file[descriptor].node = node;
	snprintf(power.file[descriptor].name, POWER_NAME_SIZE, "%s", name);
}

static inline bool power_knows(int descriptor)
{
	return power.into && descriptor >= 0 && descriptor < POWER_DESCRIPTORS_MAX &&
	       power.file[descriptor].open;
}

static inline int power_open(const char *path, int flags, mode_t mode)
{
	const char *name = power_name(path);
	int descriptor;

	if (name && flags & O_CREAT && !entries_find(&power.entries, name) &&
	    power_fails(STEP_CREATE, name))
		return -1;
	descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	if (name && descriptor >= 0)
		power_opened(descriptor, name, flags);
	return descriptor;
}

static inline ssize_t power_write(int descriptor, const void *bytes, size_t size, off_t offset)
{
	struct step *step;
	ssize_t written;

	if (power_knows(descriptor) && power_fails(STEP_WRITE, power.file[descriptor].name))
		return -1;
	written = syscall(SYS_pwrite64, descriptor, bytes, size, offset);
	if (!power_knows(descriptor) || written <= 0)
		return written;
	step = power_step(STEP_WRITE, power.file[descriptor].name, power.file[descriptor].node);
	step->offset = (size_t)offset;
	step->size = (size_t)written;
	step->bytes = malloc(step->size);
	assert_non_null(step->bytes);
	memcpy(step->bytes, bytes, step->size);
	return written;
}

static inline int power_truncate(int descriptor, off_t size)
{
	int result;

	if (power_knows(descriptor) && power_fails(STEP_TRUNCATE, power.file[descriptor].name))
		return -1;
	result = (int)syscall(SYS_ftruncate, descriptor, size);
	if (power_knows(descriptor) && !result)
		power_step(STEP_TRUNCATE, power.file[descriptor].name,
			   power.file[descriptor].node)->size = (size_t)size;
	return result;
}

/* The real files need no sync: their memory is the disk. */
static inline int power_sync(int descriptor, int number)
{
	const char *name;
	enum step_kind kind;
	unsigned node;

	if (!power_knows(descriptor))
		return (int)syscall(number, descriptor);
	name = power.file[descriptor].name;
	node = power.file[descriptor].node;
	kind = power.into->node[node].directory ? STEP_SYNC_DIRECTORY : STEP_SYNC;
	if (!power_fails(kind, name)) {
		power_step(kind, name, node);
		return 0;
	}
	if (kind == STEP_SYNC)
		power_step(STEP_SYNC_FAILED, name, node);
	return -1;
}

/* The functions themselves. Those with 64 in their names are what SQLite is compiled to call. */

static inline mode_t power_mode(int flags, va_list arguments)
{
	return flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = power_mode(flags, arguments);
	va_end(arguments);
	return power_open(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = power_mode(flags, arguments);
	va_end(arguments);
	return power_open(path, flags, mode);
}

/* Always the same name: one is in the making at a time. */
int mkostemp(char *template, int flags)
{
	memcpy(template + strlen(template) - 6, "000000", 6);
	return power_open(template, O_RDWR | O_CREAT | O_EXCL | flags, 0600);
}

int close(int descriptor)
{
	if (descriptor >= 0 && descriptor < POWER_DESCRIPTORS_MAX)
		power.file[descriptor].open = false;
	return (int)syscall(SYS_close, descriptor);
}

ssize_t write(int descriptor, const void *bytes, size_t size)
{
	off_t at;
	ssize_t written;

	if (!power_knows(descriptor))
		return syscall(SYS_write, descriptor, bytes, size);
	at = lseek(descriptor, 0, SEEK_CUR);
	written = power_write(descriptor, bytes, size, at);
	if (written > 0)
		lseek(descriptor, at + written, SEEK_SET);
	return written;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset)
{
	return power_write(descriptor, bytes, size, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset)
{
	return power_write(descriptor, bytes, size, offset);
}

int ftruncate(int descriptor, off_t size)
{
	return power_truncate(descriptor, size);
}

int ftruncate64(int descriptor, off64_t size)
{
	return power_truncate(descriptor, size);
}

int fsync(int descriptor)
{
	return power_sync(descriptor, SYS_fsync);
}

int fdatasync(int descriptor)
{
	return power_sync(descriptor, SYS_fdatasync);
}

int mkdir(const char *path, mode_t mode)
{
	const char *name = power_name(path);
	int result = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);

	if (name && !result)
		entries_step(&power.entries,
			     power_step(STEP_MKDIR, name, recording_node(power.into, true)));
	return result;
}

int unlink(const char *path)
{
	const char *name = power_name(path);
	int result;

	if (name && entries_find(&power.entries, name) && power_fails(STEP_UNLINK, name))
		return -1;
	result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	if (name && !result)
		entries_step(&power.entries, power_step(STEP_UNLINK, name, 0));
	return result;
}

int rename(const char *from, const char *to)
{
	const char *name = power_name(from);
	struct step *step;
	int result;

	if (name && power_fails(STEP_RENAME, name))
		return -1;
	result = (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
	if (name && !result) {
		assert_non_null(power_name(to));
		step = power_step(STEP_RENAME, name, entries_find(&power.entries, name)->node);
		snprintf(step->to, sizeof(step->to), "%s", power_name(to));
		entries_step(&power.entries, step);
	}
	return result;
}

/* Beginning and ending. */

/* Everything below a directory of the root, as durable content. */
static inline void power_scan(struct recording *recording, const char *below)
{
	char path[PATH_MAX];
	struct dirent *item;
	DIR *stream;

	snprintf(path, sizeof(path), "%s/%s", power.root, below);
	stream = opendir(path);
	assert_non_null(stream);
	while ((item = readdir(stream))) {
		char name[POWER_NAME_SIZE];
		unsigned node;
		struct bytes content;

		if (item->d_name[0] == '.')
			continue;
		assert_true((size_t)snprintf(name, sizeof(name), "%s%s%s", below,
					     below[0] ? "/" : "", item->d_name) < sizeof(name));
		node = recording_node(recording, item->d_type == DT_DIR);
		entries_put(&recording->entries, name, node);
		if (item->d_type == DT_DIR) {
			power_scan(recording, name);
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s", power.root, name);
		content = read_file(path);
		recording->node[node].bytes = content.at;
		recording->node[node].size = content.size;
	}
	closedir(stream);
}

/* From here on, until power_end(), every change below the root is a step. */
static inline void power_begin(struct recording *recording, const char *root)
{
	*recording = (struct recording){0};
	memmove(power.root, root, strlen(root) + 1);
	entries_put(&recording->entries, "", recording_node(recording, true));
	power_scan(recording, "");
	power.entries = recording->entries;
	power.into = recording;
}

/* Goes on with a recording, of which the root is what it leads to. */
static inline void power_resume(struct recording *recording)
{
	power.entries = recording->entries;
	for (unsigned i = 0; i < recording->steps; i++)
		entries_step(&power.entries, &recording->step[i]);
	power.into = recording;
}

static inline void power_end(void)
{
	power.into = NULL;
	power.refuse = NULL;
	memset(power.file, 0, sizeof(power.file));
}

/* For each test: a directory, and nothing left of a test before that failed. */
static inline int power_setup(void **state)
{
	power_end();
	return make_directory(state);
}

#endif
