#include "cli/lb/files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_SIZE = 64 * 1024, FILE_MODE = 0600 };

static int read_all(int fd, struct buffer *ret_content)
{
	for (;;) {
		uint8_t *room = buffer_reserve(ret_content, READ_SIZE);
		ssize_t got;

		if (!room)
			return -ENOMEM;
		got = read(fd, room, READ_SIZE);
		if (got == 0)
			return 0;
		if (got < 0 && errno != EINTR)
			return -errno;
		ret_content->size += got > 0 ? (size_t)got : 0;
		if (ret_content->size > REQUEST_MAX)
			return -EFBIG;
	}
}

int file_read(const char *name, struct buffer *ret_content)
{
	bool standard = strcmp(name, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	int result;

	if (fd < 0)
		return -errno;
	result = read_all(fd, ret_content);
	if (!standard)
		close(fd);
	if (result < 0)
		buffer_free(ret_content);
	return result;
}

static int open_target(struct file_writer *writer)
{
	struct stat status;
	bool there = stat(writer->name, &status) == 0;

	if (there && !S_ISREG(status.st_mode)) {
		writer->fd = open(writer->name, O_WRONLY | O_CLOEXEC, FILE_MODE);
		return writer->fd < 0 ? -errno : 0;
	}
	if (there && status.st_size)
		return -EEXIST;
	if (asprintf(&writer->temporary, "%s.XXXXXX", writer->name) < 0) {
		writer->temporary = NULL;
		return -ENOMEM;
	}
	writer->fd = mkostemp(writer->temporary, O_CLOEXEC);
	writer->beside = writer->fd >= 0;
	return writer->fd < 0 ? -errno : 0;
}

void file_writer_begin(struct file_writer *writer, const char *name)
{
	*writer = (struct file_writer){.fd = -1, .name = strdup(name)};
	writer->error = writer->name ? open_target(writer) : -ENOMEM;
}

static int open_growing(struct file_writer *writer)
{
	struct stat status;
	bool there = stat(writer->name, &status) == 0;

	if (there && S_ISREG(status.st_mode) && status.st_size)
		return -EEXIST;
	writer->fd = open(writer->name, O_WRONLY | O_CREAT | O_CLOEXEC, FILE_MODE);
	return writer->fd < 0 ? -errno : 0;
}

void file_writer_begin_growing(struct file_writer *writer, const char *name)
{
	*writer = (struct file_writer){.fd = -1, .grows = true, .name = strdup(name)};
	writer->error = writer->name ? open_growing(writer) : -ENOMEM;
}

void file_writer_put(struct file_writer *writer, const char *bytes, size_t size)
{
	while (!writer->error && size) {
		ssize_t written = write(writer->fd, bytes, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			writer->error = -errno;
			break;
		}
		bytes += written;
		size -= (size_t)written;
		writer->size += (size_t)written;
	}
}

void file_writer_abandon(struct file_writer *writer)
{
	if (writer->fd >= 0)
		close(writer->fd);
	if (writer->beside)
		unlink(writer->temporary);
	free(writer->name);
	free(writer->temporary);
	*writer = (struct file_writer){.fd = -1};
}

/* Where it may not be read, or cannot be synced, the file is in place all the same. */
static int sync_directory_of(char *name)
{
	int fd = open(dirname(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return 0;
	if (fsync(fd) < 0 && errno != EINVAL)
		error = -errno;
	close(fd);
	return error;
}

int file_writer_end(struct file_writer *writer)
{
	int error = writer->error;

	if (!error && writer->beside) {
		if (fsync(writer->fd) < 0 || rename(writer->temporary, writer->name) < 0) {
			error = -errno;
		} else {
			writer->beside = false;
			error = sync_directory_of(writer->name);
		}
	}
	file_writer_abandon(writer);
	return error;
}
