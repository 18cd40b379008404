/* The operator's files, opened under the operator's rights. */
#ifndef LB_FILES_H
#define LB_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/protocol.h"

/* The whole content of a file, or of stdin where the name is "-". 0 or a negative errno; more than
 * REQUEST_MAX is -EFBIG. */
int file_read(const char *name, struct buffer *ret_content);

/* A file in the making: it takes its place whole, or not at all. */
struct file_writer {
	int fd;
	bool beside;           /* written to `temporary` and renamed; else a device or pipe */
	char *name, *temporary;
	size_t size;
	int error;             /* of the first step that failed, negative errno */
};

/* Refuses (-EEXIST) to write over a file that is not empty. */
void file_writer_begin(struct file_writer *writer, const char *name);
void file_writer_put(struct file_writer *writer, const char *bytes, size_t size);
/* Syncs and puts it in place. 0 or the negative errno of whatever failed. */
int file_writer_end(struct file_writer *writer);
/* Removes what was written so far. */
void file_writer_abandon(struct file_writer *writer);

#endif
