/* The metrics: each line by the grammar of Prometheus' text format, numbers that are those of the
 * path, and how it is served. */
#include "tests/unit/world.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "appliance/metrics.h"

enum { SERIES_MAX = 4096, FAMILY_SIZE = 256, PATIENCE_MS = 5000, ANSWER_SIZE = 1 << 20 };

static const struct world_packet syn = {
	.in = "ext", .source = "198.51.100.7", .destination = "203.0.113.10", .source_port = 40000,
	.destination_port = 80, .protocol = PROTOCOL_NUMBER_TCP, .tcp_flags = TCP_SYN,
};

struct scrape {
	struct world *world;
	struct control control;
	char *page;
	size_t size;
};

static struct scrape *scrape_new(void)
{
	struct scrape *scrape = calloc(1, sizeof(*scrape));
	struct world_packet nowhere = syn;

	assert_non_null(scrape);
	scrape->world = world_web(1024);
	assert_int_equal(world_receive(scrape->world, syn), VERDICT_FORWARDED);
	nowhere.destination_port = 81;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(world_receive(scrape->world, nowhere), DROP_no_service);
	scrape->control.mailbox = mailbox_new();
	scrape->control.compiler = scrape->world->compiler;
	scrape->control.running = scrape->world->config;
	scrape->control.serving = scrape->world->config;
	mailbox_use_in_place(scrape->control.mailbox, scrape->world->path, scrape->world->now_ns);
	assert_int_equal(metrics_text(&scrape->control, &scrape->page, &scrape->size), 0);
	return scrape;
}

static void scrape_free(struct scrape *scrape)
{
	mailbox_free(scrape->control.mailbox);
	world_free(scrape->world);
	free(scrape->page);
	free(scrape);
}

/* The value of a series, as it is written. */
static uint64_t value_of(const char *page, const char *series)
{
	size_t length = strlen(series);

	for (const char *line = page; line && *line; line = strchr(line, '\n') + 1)
		if (strncmp(line, series, length) == 0 && line[length] == ' ')
			return strtoull(line + length + 1, NULL, 10);
	fail_msg("no series %s", series);
	return 0;
}

/* Sums the series of a family that have `label`. */
static uint64_t sum_of(const char *page, const char *family, const char *label)
{
	size_t length = strlen(family);
	uint64_t sum = 0;

	for (const char *line = page; *line; line = strchr(line, '\n') + 1) {
		const char *end = strstr(line, "} "), *at = strstr(line, label);

		if (strncmp(line, family, length) == 0 && line[length] == '{' && at && at < end)
			sum += strtoull(end + 2, NULL, 10);
	}
	return sum;
}

/* ---- the grammar ---- */

struct grammar {
	const char *seen[SERIES_MAX]; /* families, then series; allocated */
	unsigned count;
	char family[FAMILY_SIZE];   /* whose samples may stand here */
	bool typed;
};

static void see_once(struct grammar *grammar, const char *what, size_t length)
{
	char *copy = strndup(what, length);

	for (unsigned i = 0; i < grammar->count; i++)
		if (strcmp(grammar->seen[i], copy) == 0)
			fail_msg("twice: %s", copy);
	assert_true(grammar->count < SERIES_MAX);
	grammar->seen[grammar->count++] = copy;
}

static size_t name_length(const char *text)
{
	size_t length = 0;

	while (isalnum((unsigned char)text[length]) || text[length] == '_')
		length++;
	return isdigit((unsigned char)text[0]) ? 0 : length;
}

static void check_help(struct grammar *grammar, const char *line)
{
	size_t length = name_length(line);

	assert_true(length > 0 && length < FAMILY_SIZE && line[length] == ' ');
	assert_int_not_equal(line[length + 1], '\0');
	assert_int_equal(strncmp(line, "lb_", 3), 0);
	snprintf(grammar->family, sizeof(grammar->family), "%.*s", (int)length, line);
	grammar->typed = false;
	see_once(grammar, line - strlen("# HELP "), strlen("# HELP ") + length);
}

static void check_type(struct grammar *grammar, const char *line)
{
	size_t length = strlen(grammar->family);
	const char *total = length > 6 ? grammar->family + length - 6 : "";
	bool counter = strcmp(total, "_total") == 0;

	assert_false(grammar->typed);
	assert_int_equal(strncmp(line, grammar->family, length), 0);
	assert_string_equal(line + length, counter ? " counter" : " gauge");
	grammar->typed = true;
}

/* name="value",... up to the closing brace; what follows it. No value of ours needs an escape. */
static const char *check_labels(const char *at)
{
	do {
		size_t length = name_length(++at);

		assert_true(length > 0);
		at += length;
		assert_int_equal(strncmp(at, "=\"", 2), 0);
		at += 2 + strcspn(at + 2, "\"\\");
		assert_int_equal(*at++, '"');
	} while (*at == ',');
	assert_int_equal(*at, '}');
	return at + 1;
}

static void check_sample(struct grammar *grammar, const char *line)
{
	size_t length = name_length(line);
	const char *at = line + length;

	assert_true(grammar->typed);
	assert_int_equal(length, strlen(grammar->family));
	assert_int_equal(strncmp(line, grammar->family, length), 0);
	if (*at == '{')
		at = check_labels(at);
	see_once(grammar, line, (size_t)(at - line));
	assert_int_equal(*at, ' ');
	assert_int_equal(strspn(at + 1, "0123456789"), strlen(at + 1));
	assert_int_not_equal(at[1], '\0');
}

static void check_page(const char *page, size_t size)
{
	struct grammar *grammar = calloc(1, sizeof(*grammar));
	char *copy = strdup(page), *rest = copy;

	assert_int_equal(strlen(page), size);
	assert_int_equal(page[size - 1], '\n');
	copy[size - 1] = '\0';
	for (const char *line; (line = strsep(&rest, "\n"));) {
		if (strncmp(line, "# HELP ", 7) == 0)
			check_help(grammar, line + 7);
		else if (strncmp(line, "# TYPE ", 7) == 0)
			check_type(grammar, line + 7);
		else
			check_sample(grammar, line);
	}
	for (unsigned i = 0; i < grammar->count; i++)
		free((char *)grammar->seen[i]);
	free(grammar);
	free(copy);
}

static void every_line_is_of_the_text_format(void **state)
{
	struct scrape *scrape = scrape_new();

	(void)state;
	check_page(scrape->page, scrape->size);
	scrape_free(scrape);
}

static void numbers_are_those_of_the_path(void **state)
{
	struct scrape *scrape = scrape_new();
	const char *page = scrape->page;

	(void)state;
	assert_int_equal(value_of(page, "lb_interface_received_total{interface=\"ext\"}"), 4);
	assert_int_equal(value_of(page, "lb_interface_forwarded_total{interface=\"ext\"}"), 1);
	assert_int_equal(value_of(page, "lb_interface_sent_total{interface=\"int\"}"), 1);
	assert_int_equal(value_of(page, "lb_interface_up{interface=\"int\"}"), 1);
	assert_int_equal(value_of(page, "lb_drops_total{interface=\"ext\",reason=\"no_service\"}"), 3);
	assert_int_equal(sum_of(page, "lb_drops_total", "interface=\"ext\""),
			 value_of(page, "lb_interface_dropped_total{interface=\"ext\"}"));
	assert_int_equal(value_of(page, "lb_flows"), 1);
	assert_int_equal(value_of(page, "lb_flows_created_total") -
				 sum_of(page, "lb_flows_closed_total", "reason"),
			 value_of(page, "lb_flows"));
	assert_int_equal(value_of(page, "lb_service_flows_total{service=\"web\"}"), 1);
	assert_int_equal(value_of(page, "lb_service_up{service=\"web\"}"), 1);
	assert_int_equal(sum_of(page, "lb_backend_active_flows", "pool=\"web\""), 1);
	assert_int_equal(value_of(page, "lb_backend_up{pool=\"web\",backend=\"10.0.0.12:8080\"}"), 1);
	scrape_free(scrape);
}

/* ---- over HTTP ---- */

static struct endpoint place_of_metrics(void)
{
	return (struct endpoint){.address = to_be32(INADDR_LOOPBACK), .port = 9100};
}

static int connect_to_place(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9100),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Sends the request and runs the server, on this one thread, until it has closed the connection. */
static void exchange(struct metrics *metrics, const char *request, char *ret_answer)
{
	int fd = connect_to_place();
	size_t size = 0;
	ssize_t got = -1;

	assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	while (got != 0) {
		struct pollfd wait[] = {{.fd = metrics_fd(metrics), .events = POLLIN},
					{.fd = fd, .events = POLLIN}};

		assert_true(poll(wait, 2, PATIENCE_MS) > 0);
		if (wait[0].revents)
			metrics_run(metrics);
		if (!wait[1].revents)
			continue;
		got = read(fd, ret_answer + size, ANSWER_SIZE - 1 - size);
		assert_true(got >= 0);
		size += (size_t)got;
	}
	ret_answer[size] = '\0';
	close(fd);
}

static bool begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void a_scrape_gets_the_page_and_nothing_else_is_served(void **state)
{
	struct scrape *scrape = scrape_new();
	char *answer = malloc(ANSWER_SIZE), error[256] = "";
	struct metrics *metrics;
	const struct endpoint place = place_of_metrics();

	(void)state;
	if (metrics_open(&metrics, &place, &scrape->control, error, sizeof(error)))
		fail_msg("%s", error);
	exchange(metrics, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer);
	assert_true(begins_with(answer, "HTTP/1.1 200 "));
	assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_string_equal(strstr(answer, "\r\n\r\n") + 4, scrape->page);
	exchange(metrics, "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer);
	assert_true(begins_with(answer, "HTTP/1.1 200 "));
	assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
	exchange(metrics, "GET /etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer);
	assert_true(begins_with(answer, "HTTP/1.1 404 "));
	exchange(metrics, "POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
			  "Content-Length: 1\r\n\r\nx", answer);
	assert_true(begins_with(answer, "HTTP/1.1 405 "));
	exchange(metrics, "nonsense\r\n\r\n", answer);
	assert_false(begins_with(answer, "HTTP/1.1 200 "));
	metrics_close(metrics);
	free(answer);
	scrape_free(scrape);
}

static void an_address_that_is_taken_is_refused_with_a_sentence(void **state)
{
	struct scrape *scrape = scrape_new();
	struct metrics *metrics, *second;
	const struct endpoint place = place_of_metrics();
	char error[256];

	(void)state;
	assert_int_equal(metrics_open(&metrics, &place, &scrape->control, error, sizeof(error)), 0);
	assert_int_equal(metrics_open(&second, &place, &scrape->control, error, sizeof(error)),
			 -EADDRINUSE);
	assert_string_equal(error, "cannot serve metrics at 127.0.0.1:9100: Address already in use");
	metrics_close(metrics);
	scrape_free(scrape);
}

static void a_silent_client_is_cut_off_by_the_clock(void **state)
{
	struct scrape *scrape = scrape_new();
	struct metrics *metrics;
	const struct endpoint place = place_of_metrics();
	char error[256];

	(void)state;
	assert_int_equal(metrics_open(&metrics, &place, &scrape->control, error, sizeof(error)), 0);
	assert_int_equal(metrics_deadline(metrics, 0), UINT64_MAX);
	int fd = connect_to_place();
	struct pollfd wait = {.fd = metrics_fd(metrics), .events = POLLIN};
	assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	metrics_run(metrics);
	assert_true(metrics_deadline(metrics, 0) <= UINT64_C(11000000000));
	close(fd);
	metrics_close(metrics);
	scrape_free(scrape);
}

/* A network of its own, so that nobody else's port is in the way. */
static int own_network(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET)) {
		fprintf(stderr, "SKIP: no network namespace: %s\n", strerror(errno));
		return 1;
	}
	return system("ip link set lo up");
}

int main(void)
{
	const struct CMUnitTest texts[] = {
		cmocka_unit_test(every_line_is_of_the_text_format),
		cmocka_unit_test(numbers_are_those_of_the_path),
	};
	const struct CMUnitTest served[] = {
		cmocka_unit_test(a_scrape_gets_the_page_and_nothing_else_is_served),
		cmocka_unit_test(an_address_that_is_taken_is_refused_with_a_sentence),
		cmocka_unit_test(a_silent_client_is_cut_off_by_the_clock),
	};
	int failed = cmocka_run_group_tests(texts, NULL, NULL);

	return own_network(NULL) ? failed : failed + cmocka_run_group_tests(served, NULL, NULL);
}
