/* The files of a store: FILE, its lock, its backups, and what can be told of them from outside.
 *
 *   FILE            the database (with FILE-wal while it is open, or after a crash)
 *   FILE.lock       locked while an lbd has the store, and holds its pid; never removed
 *   FILE.new        a store that is being created
 *   FILE.backup     the store as the last start found it; FILE.vN.backup: before it left schema N
 */
#include "store/database.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DIRECTORY_MODE = 0750, FILE_MODE = 0640, HEADER_SIZE = 100, APPLICATION_ID_AT = 68 };

/* A path beside the store, as "FILE.lock". */
struct beside { char path[PATH_MAX + 256]; };

static struct beside beside(const struct store *store, const char *suffix)
{
	struct beside name;

	snprintf(name.path, sizeof(name.path), "%s%s", store->file, suffix);
	return name;
}

const char *file_advice(int code)
{
	switch (code) {
	case EACCES:
	case EPERM:
		return ". The store and its directory must belong to the user that lbd runs as "
		       "(root is no exception: lbd lets go of the right to pass over permissions)";
	case ENOSPC:
	case EDQUOT:
		return ". Make room on its disk, then try again";
	case EROFS:
		return ". Make its disk writable, or give lbd another path with --db";
	default:
		return "";
	}
}

static int refuse_system(char *error, size_t error_size, const char *doing, const char *path)
{
	int code = errno;

	return store_refuse(error, error_size, -code, "cannot %s %s: %s%s", doing, path,
			    strerror(code), file_advice(code));
}

static bool exists(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

int file_resolve(struct store *store, const char *file, char *error, size_t error_size)
{
	char directory[PATH_MAX], base[PATH_MAX], whole[PATH_MAX], *up, *last;

	if (strlen(file) > PATH_MAX - 64)
		return store_refuse(error, error_size, -ENAMETOOLONG,
				    "the store's path is too long");
	strcpy(directory, file);
	strcpy(base, file);
	up = dirname(directory);
	last = basename(base);
	if (exists(file)) {
		store->file = realpath(file, NULL);
		return store->file ? 0 : refuse_system(error, error_size, "find the store", file);
	}
	if (mkdir(up, DIRECTORY_MODE) && errno != EEXIST)
		return refuse_system(error, error_size, "create the store's directory", up);
	if (!realpath(up, whole))
		return refuse_system(error, error_size, "find the store's directory", up);
	if (asprintf(&store->file, "%s/%s", strcmp(whole, "/") ? whole : "", last) < 0)
		return store_refuse(error, error_size, -ENOMEM, "out of memory");
	return 0;
}

/* An open file description lock (fcntl(2), F_OFD_SETLK): gone with the process, however it ends. */
int file_lock(struct store *store, char *error, size_t error_size)
{
	struct beside name = beside(store, ".lock");
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char pid[32] = "";

	store->lock = open(name.path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
	if (store->lock < 0)
		return refuse_system(error, error_size, "open", name.path);
	if (fcntl(store->lock, F_OFD_SETLK, &whole)) {
		if (errno != EAGAIN && errno != EACCES)
			return refuse_system(error, error_size, "lock", name.path);
		if (pread(store->lock, pid, sizeof(pid) - 1, 0) <= 0)
			strcpy(pid, "unknown");
		pid[strcspn(pid, "\n")] = 0;
		return store_refuse(error, error_size, -EBUSY,
				    "%s is in use by another lbd, pid %s", store->file, pid);
	}
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(store->lock, 0) || pwrite(store->lock, pid, strlen(pid), 0) < 0)
		return refuse_system(error, error_size, "write", name.path);
	return 0;
}

/* The directory's entries, or the file's content, as they are found, to the disk. */
static int sync_path(const char *path, int flags, char *error, size_t error_size)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | flags);
	int result = 0;

	if (descriptor < 0 || fsync(descriptor))
		result = refuse_system(error, error_size, "sync", path);
	if (descriptor >= 0)
		close(descriptor);
	return result;
}

static int sync_directory(const struct store *store, char *error, size_t error_size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", store->file);
	return sync_path(dirname(path), O_DIRECTORY, error, error_size);
}

/* The entry of the store's directory itself, which may have been made just now. Where the directory
 * above may not be read, its owner has to see to that. */
static int sync_parent(const struct store *store, char *error, size_t error_size)
{
	char path[PATH_MAX];
	int result;

	snprintf(path, sizeof(path), "%s", store->file);
	result = sync_path(dirname(dirname(path)), O_DIRECTORY, error, error_size);
	return result == -EACCES ? 0 : result;
}

int file_sync(const struct store *store, char *error, size_t error_size)
{
	int result = sync_path(store->file, 0, error, error_size);

	return result ? result : sync_directory(store, error, error_size);
}

/* The empty file that SQLite takes for a new database; what an earlier attempt left goes. */
static int create_empty(const struct store *new, char *error, size_t error_size)
{
	int descriptor;

	unlink(new->file);
	unlink(beside(new, "-journal").path);
	descriptor = open(new->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (descriptor < 0)
		return refuse_system(error, error_size, "create", new->file);
	close(descriptor);
	return 0;
}

int file_create(struct store *store, char *error, size_t error_size)
{
	struct beside name = beside(store, ".new");
	struct store new = {.file = name.path};
	int result;

	if (exists(beside(store, "-wal").path))
		return store_refuse(error, error_size, -EUCLEAN,
				    "%s is missing, but %s-wal, which belongs to it, is there. Put "
				    "the store back, or remove %s-wal to start with an empty "
				    "configuration", store->file, store->file, store->file);
	/* First, so that it was done wherever a store is found, even by a start that was killed. */
	result = sync_parent(store, error, error_size);
	if (!result)
		result = create_empty(&new, error, error_size);
	if (!result)
		result = sql_open(&new, error, error_size);
	if (!result)
		result = migrate(&new, store_migrations, STORE_VERSION, error, error_size);
	if (!result)
		result = sql_run(&new, "PRAGMA journal_mode = WAL", error, error_size);
	sqlite3_close(new.db);
	if (!result && rename(new.file, store->file))
		result = refuse_system(error, error_size, "create", store->file);
	if (result) {
		unlink(new.file);
		return result;
	}
	return sync_directory(store, error, error_size);
}

int file_inspect(const struct store *store, char *error, size_t error_size)
{
	static const char magic[16] = "SQLite format 3";
	uint8_t header[HEADER_SIZE];
	struct stat status;
	ssize_t length;
	uint32_t id;
	int descriptor = open(store->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (descriptor < 0)
		return refuse_system(error, error_size, "open", store->file);
	if (fstat(descriptor, &status) == 0 && !S_ISREG(status.st_mode)) {
		close(descriptor);
		return store_refuse(error, error_size, -EMEDIUMTYPE,
				    "%s is not a regular file. Give lbd another path with --db",
				    store->file);
	}
	length = pread(descriptor, header, sizeof(header), 0);
	close(descriptor);
	if (length < 0)
		return refuse_system(error, error_size, "read", store->file);
	if (!length)
		return store_refuse(error, error_size, -EUCLEAN,
				    "it is empty, which lbd never leaves it");
	if (length < HEADER_SIZE || memcmp(header, magic, sizeof(magic)) != 0)
		return store_refuse(error, error_size, -EUCLEAN,
				    "it does not begin as a database does");
	memcpy(&id, header + APPLICATION_ID_AT, sizeof(id));
	id = from_be32((be32){id});
	if (id != STORE_APPLICATION_ID)
		return store_refuse(error, error_size, -EMEDIUMTYPE,
				    "%s is a database, but not one of lbd "
				    "(its application_id is %u). Give lbd another path with --db",
				    store->file, id);
	return 0;
}

static int write_whole(const char *path, const void *bytes, size_t size, char *error,
		       size_t error_size)
{
	int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	const char *next = bytes;
	int result = 0;

	if (descriptor < 0)
		return refuse_system(error, error_size, "create", path);
	while (!result && size) {
		ssize_t written = write(descriptor, next, size);

		if (written < 0) {
			result = refuse_system(error, error_size, "write", path);
			break;
		}
		next += written;
		size -= (size_t)written;
	}
	if (!result && fsync(descriptor))
		result = refuse_system(error, error_size, "write", path);
	close(descriptor);
	return result;
}

int file_backup(const struct store *store, const char *suffix, char *error, size_t error_size)
{
	struct beside name = beside(store, suffix), new = beside(store, ".backup-new");
	sqlite3_int64 size = 0;
	unsigned char *bytes = sqlite3_serialize(store->db, "main", &size, 0);
	int result;

	if (!bytes)
		return sql_refuse(store, error, error_size);
	result = write_whole(new.path, bytes, (size_t)size, error, error_size);
	sqlite3_free(bytes);
	if (!result && rename(new.path, name.path))
		result = refuse_system(error, error_size, "create", name.path);
	if (result) {
		unlink(new.path);
		return result;
	}
	return sync_directory(store, error, error_size);
}

/* The youngest file FILE*.backup; false where there is none. */
static bool newest_backup(const struct store *store, struct beside *ret_backup, time_t *ret_time)
{
	static const char ending[] = ".backup";
	char directory[PATH_MAX], base[PATH_MAX];
	const char *up, *last;
	struct beside backup;
	struct dirent *entry;
	struct stat status;
	bool found = false;
	DIR *stream;

	snprintf(directory, sizeof(directory), "%s", store->file);
	snprintf(base, sizeof(base), "%s", store->file);
	up = dirname(directory);
	last = basename(base);
	stream = opendir(up);
	while (stream && (entry = readdir(stream))) {
		size_t length = strlen(entry->d_name);

		if (strncmp(entry->d_name, last, strlen(last)) != 0 || length < sizeof(ending) ||
		    strcmp(entry->d_name + length - strlen(ending), ending) != 0)
			continue;
		snprintf(backup.path, sizeof(backup.path), "%s/%s", up, entry->d_name);
		if (stat(backup.path, &status) || (found && status.st_mtime <= *ret_time))
			continue;
		*ret_backup = backup;
		*ret_time = status.st_mtime;
		found = true;
	}
	if (stream)
		closedir(stream);
	return found;
}

void file_way_out(const struct store *store, char *error, size_t error_size)
{
	struct beside backup;
	char when[32];
	struct tm local;
	time_t time;
	size_t length = strlen(error);

	if (newest_backup(store, &backup, &time)) {
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&time, &local));
		snprintf(error + length, error_size - length,
			 "\nThe newest backup is %s, of %s. To go back to it:\n"
			 "  mv %s %s.damaged; rm -f %s-wal; cp -p %s %s",
			 backup.path, when, store->file, store->file, store->file, backup.path,
			 store->file);
		return;
	}
	snprintf(error + length, error_size - length,
		 "\nThere is no backup beside it. To restore a copy that the console's `backup` "
		 "made:\n"
		 "  mv %s %s.damaged; rm -f %s-wal; cp COPY %s\n"
		 "To start with an empty configuration, move it away and copy nothing.",
		 store->file, store->file, store->file, store->file);
}
