/* The operator's files, opened under the operator's rights. */
#ifndef LB_FILES_H
#define LB_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/protocol.h"

/* The whole content of a file, or of stdin where the name is "-". 0 or a negative errno; more than
 * REQUEST_MAX is -EFBIG. */
int file_read(const char *name, struct buffer *ret_content);

/* A file in the making: it takes its place whole, or not at all; or it grows in its place. */
struct file_writer {
	int fd;
	bool beside;           /* written to `temporary` and renamed */
	bool grows;            /* in its place; else, where not beside, it is a device or pipe */
	char *name, *temporary;
	size_t size;
	int error;             /* of the first step that failed, negative errno */
};

/* Refuses (-EEXIST) to write over a file that is not empty. */
void file_writer_begin(struct file_writer *writer, const char *name);
/* The same for one that grows in its place: what is in it stays, whatever happens. */
void file_writer_begin_growing(struct file_writer *writer, const char *name);
void file_writer_put(struct file_writer *writer, const char *bytes, size_t size);
/* Syncs and puts it in place. 0 or the negative errno of whatever failed. */
int file_writer_end(struct file_writer *writer);
/* Removes what was written so far, of one that does not grow. */
void file_writer_abandon(struct file_writer *writer);

#endif
