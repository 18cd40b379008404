#include "appliance/metrics.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CONNECTIONS_MAX = 16,
	CONNECTION_TIMEOUT_S = 10,
	MEMORY_A_CONNECTION = 4096, /* for its headers: a scraper's are short */
};

static const char content_type[] = "text/plain; version=0.0.4; charset=utf-8";

struct metrics {
	struct MHD_Daemon *daemon;
	struct control *control;
	int fd;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
			      struct MHD_Response *response)
{
	enum MHD_Result result = MHD_NO;

	if (!response)
		return MHD_NO;
	if (status == MHD_HTTP_OK)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result say(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return answer(connection, status,
		      MHD_create_response_from_buffer(strlen(text), (void *)text,
						      MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **request)
{
	struct metrics *metrics = context;
	size_t size;
	char *text;

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)request;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (strcmp(url, "/metrics") != 0)
		return say(connection, MHD_HTTP_NOT_FOUND, "the metrics are at /metrics\n");
	if (metrics_text(metrics->control, &text, &size))
		return say(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "not enough memory\n");
	return answer(connection, MHD_HTTP_OK,
		      MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE));
}

static struct MHD_Daemon *start(struct metrics *metrics, const struct endpoint *endpoint)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = endpoint->address.raw,
		.sin_port = to_be16(endpoint->port).raw,
	};

	return MHD_start_daemon(MHD_USE_EPOLL, endpoint->port, NULL, NULL, handle, metrics,
				MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_A_CONNECTION,
				MHD_OPTION_END);
}

int metrics_open(struct metrics **ret_metrics, const struct endpoint *endpoint,
		 struct control *control, char *error, size_t error_size)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));
	char address[TEXT_SIZE];

	if (!metrics) {
		snprintf(error, error_size, "not enough memory to serve metrics");
		return -ENOMEM;
	}
	metrics->control = control;
	errno = 0;
	metrics->daemon = start(metrics, endpoint);
	if (!metrics->daemon) {
		int result = errno ? -errno : -EIO;

		format_endpoint(*endpoint, address, sizeof(address));
		snprintf(error, error_size, "cannot serve metrics at %s: %s", address,
			 strerror(-result));
		free(metrics);
		return result;
	}
	metrics->fd = MHD_get_daemon_info(metrics->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	*ret_metrics = metrics;
	return 0;
}

void metrics_close(struct metrics *metrics)
{
	if (!metrics)
		return;
	MHD_stop_daemon(metrics->daemon);
	free(metrics);
}

int metrics_fd(const struct metrics *metrics)
{
	return metrics->fd;
}

uint64_t metrics_deadline(const struct metrics *metrics, uint64_t now_ns)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	if (MHD_get_timeout(metrics->daemon, &timeout_ms) != MHD_YES)
		return UINT64_MAX;
	return now_ns + timeout_ms * UINT64_C(1000000);
}

void metrics_run(struct metrics *metrics)
{
	MHD_run(metrics->daemon);
}
