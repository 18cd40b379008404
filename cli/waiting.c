#include "cli/waiting.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

void clock_text(int64_t unix_ms, char ret_text[CLOCK_TEXT_SIZE])
{
	time_t then = (time_t)(unix_ms / 1000), now = time(NULL);
	struct tm local, today;

	localtime_r(&then, &local);
	localtime_r(&now, &today);
	if (local.tm_yday == today.tm_yday && local.tm_year == today.tm_year)
		strftime(ret_text, CLOCK_TEXT_SIZE, "%H:%M:%S", &local);
	else
		strftime(ret_text, CLOCK_TEXT_SIZE, "%Y-%m-%d %H:%M:%S", &local);
}

void waiting_text(const struct waiting *waiting, char ret_text[WAITING_TEXT_SIZE])
{
	char time[CLOCK_TEXT_SIZE];

	clock_text(waiting->deadline_ms, time);
	snprintf(ret_text, WAITING_TEXT_SIZE,
		 "r%" PRIu64 " by %s reverts to r%" PRIu64 " at %s unless you type 'confirm'",
		 waiting->revision, waiting->user, waiting->back, time);
}
