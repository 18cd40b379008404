/* A fuzzer over files that are kept: every file given, or in a directory given, in the order of names.
 * One line each, "DIGEST FILE"; with -v all that happens. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/proof/fuzz/fuzz.h"

enum { INPUT_MAX = 1 << 20, NAME_MAX_SIZE = 4096 };

static int tell;

static int run_file(const char *file, const char *shown)
{
	static uint8_t room[INPUT_MAX];
	FILE *stream = fopen(file, "re");
	size_t size;
	uint8_t *data;

	if (!stream) {
		perror(file);
		return 1;
	}
	size = fread(room, 1, sizeof(room), stream);
	fclose(stream);
	/* Of its own size, so that a look beyond it is seen. */
	data = malloc(size ? size : 1);
	if (!data)
		return 1;
	memcpy(data, room, size);
	if (tell)
		printf("==== %s\n", shown);
	printf("%016llx %s\n", (unsigned long long)fuzz_one(data, size, tell), shown);
	free(data);
	return 0;
}

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int run_directory(const char *directory)
{
	struct dirent **entry;
	int count = scandir(directory, &entry, is_file, alphasort), failed = 0;
	char file[NAME_MAX_SIZE];

	if (count < 0)
		return run_file(directory, directory);
	for (int i = 0; i < count; i++) {
		snprintf(file, sizeof(file), "%s/%s", directory, entry[i]->d_name);
		failed |= run_file(file, entry[i]->d_name);
		free(entry[i]);
	}
	free(entry);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = 0;

	fuzz_init();
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-v"))
			tell = 1;
		else
			failed |= run_directory(argv[i]);
	}
	return failed;
}
