/* lbd: options, the order in which things are opened and closed, and the control thread's wait. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "appliance/control.h"
#include "appliance/control_socket.h"
#include "appliance/directory.h"
#include "appliance/metrics.h"
#include "appliance/privilege.h"
#include "appliance/replay.h"
#include "appliance/seccomp.h"
#include "appliance/server.h"

enum { ERROR_SIZE = 1024, EXIT_USAGE = 2, ETHERNET_OVERHEAD = 14 + 4 };

static const char default_db[] = "/var/lib/lb/lb.db";
static const char default_socket[] = "/run/lb/lb.sock";

static const char usage[] =
	"usage: lbd [--db FILE] [--socket PATH] [--user USER] [--cpu N] [--metrics ADDR:PORT]\n"
	"       lbd --check [--db FILE]\n"
	"       lbd replay --config SCRIPT --in IFACE=FILE.pcap... [--out DIR] [--json]\n"
	"\n"
	"The load balancer's packet path, store and control socket. lb is its console.\n"
	"\n"
	"  --db FILE      the configuration's store (default /var/lib/lb/lb.db)\n"
	"  --socket PATH  where lb finds it (default /run/lb/lb.sock)\n"
	"  --user USER    become USER once that is possible\n"
	"  --cpu N        keep the packet path on CPU N\n"
	"  --metrics A:P  serve counters to Prometheus at http://A:P/metrics\n"
	"  --check        open and verify the store, say what is in it, exit\n"
	"  --help, --version\n"
	"\n"
	"See lbd(8), and `lbd replay --help`.\n";

struct options {
	const char *db, *socket, *user;
	struct endpoint metrics; /* port 0: none */
	int cpu;
	bool check;
};

static void complain(const char *sentence)
{
	fprintf(stderr, "lbd: %s\n", sentence);
}

static int parse_cpu(const char *text, int *ret_cpu)
{
	char *end;
	long cpu = strtol(text, &end, 10);

	if (end == text || *end || cpu < 0 || cpu >= sysconf(_SC_NPROCESSORS_CONF))
		return -EINVAL;
	*ret_cpu = (int)cpu;
	return 0;
}

/* 0: go on; otherwise the status to exit with, plus one. */
static int parse_options(int argc, char **argv, struct options *options)
{
	enum { DB = 1, SOCKET, USER, CPU, METRICS, CHECK, HELP, VERSION };
	static const struct option table[] = {
		{"db", required_argument, NULL, DB},       {"socket", required_argument, NULL, SOCKET},
		{"user", required_argument, NULL, USER},   {"cpu", required_argument, NULL, CPU},
		{"metrics", required_argument, NULL, METRICS},
		{"check", no_argument, NULL, CHECK},       {"help", no_argument, NULL, HELP},
		{"version", no_argument, NULL, VERSION},   {0},
	};

	for (int option; (option = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		switch (option) {
		case DB: options->db = optarg; break;
		case SOCKET: options->socket = optarg; break;
		case USER: options->user = optarg; break;
		case METRICS:
			if (!parse_endpoint(optarg, &options->metrics) && options->metrics.port)
				break;
			fprintf(stderr, "lbd: --metrics \"%s\" is not an address:port like "
					"127.0.0.1:9100\n", optarg);
			return EXIT_USAGE + 1;
		case CHECK: options->check = true; break;
		case CPU:
			if (!parse_cpu(optarg, &options->cpu))
				break;
			fprintf(stderr, "lbd: --cpu %s: this machine has CPUs 0 to %ld\n", optarg,
				sysconf(_SC_NPROCESSORS_CONF) - 1);
			return EXIT_USAGE + 1;
		case HELP: fputs(usage, stdout); return EXIT_SUCCESS + 1;
		case VERSION: puts("lbd " LB_VERSION); return EXIT_SUCCESS + 1;
		default: fputs("Try `lbd --help`.\n", stderr); return EXIT_USAGE + 1;
		}
	}
	if (optind == argc)
		return 0;
	fprintf(stderr, "lbd: what is \"%s\"? Try `lbd --help`.\n", argv[optind]);
	return EXIT_USAGE + 1;
}

static int check_store(const char *file)
{
	char error[ERROR_SIZE], text[ERROR_SIZE];
	struct store *store;

	if (access(file, F_OK) < 0 && errno == ENOENT) {
		fprintf(stderr, "lbd: there is no store %s. lbd makes it when it starts\n", file);
		return EXIT_FAILURE;
	}
	if (store_open(&store, file, error, sizeof(error))) {
		complain(error);
		return EXIT_FAILURE;
	}
	if (error[0])
		complain(error);
	store_describe(store, text, sizeof(text));
	store_close(store);
	fputs(text, stdout);
	return EXIT_SUCCESS;
}

/* Everything that runs. */
struct daemon {
	struct control control;
	struct appliance appliance;
	struct server *server;
	struct metrics *metrics;  /* NULL: not asked for */
	int epoll_fd, signal_fd;
};

static void tell_consoles(void *context, const char *sentence, bool deed)
{
	struct daemon *daemon = context;

	if (daemon->server)
		server_event(daemon->server, sentence, deed);
}

static int watch(struct daemon *daemon, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(daemon->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_signals(struct daemon *daemon)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	daemon->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	daemon->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return daemon->signal_fd < 0 || daemon->epoll_fd < 0 ? -errno : 0;
}

/* A frame that waits is at most this large: the jumbo frames of the interfaces that lbd starts with. */
static uint32_t held_frame_size(void)
{
	enum { JUMBO_MTU = 9000 };

	return JUMBO_MTU + ETHERNET_OVERHEAD;
}

static int open_path(struct daemon *daemon, const struct options *options, const struct config *config,
		     char *error)
{
	struct control *control = &daemon->control;
	struct loop_options loop = {
		.cpu = options->cpu,
		.limits = {
			.flows = config_global(config)->flow_table,
			.seed = config_global(config)->seed,
			.held_frame_size = held_frame_size(),
		},
	};
	int result = loop_start(&control->loop, &loop, control->mailbox, complain, error, ERROR_SIZE);

	if (!result)
		result = ports_open(&control->ports, control->loop, control->journal, error,
				    ERROR_SIZE);
	if (!result && compiler_init(&control->compiler, ports_facts, control->ports)) {
		snprintf(error, ERROR_SIZE, "not enough memory");
		result = -ENOMEM;
	}
	return result;
}

static int open_all(struct daemon *daemon, const struct options *options, char *error)
{
	struct control *control = &daemon->control;
	struct config *config = NULL;
	uint64_t revision;
	int result;

	snprintf(error, ERROR_SIZE, "not enough memory or file descriptors");
	control->mailbox = mailbox_new();
	control->journal = journal_new();
	if (!control->mailbox || !control->journal || open_signals(daemon))
		return -ENOMEM;
	journal_listen(control->journal, tell_consoles, daemon);
	result = store_open(&control->store, options->db, error, ERROR_SIZE);
	if (!result && error[0])
		journal_say(control->journal, "%s", error);
	if (!result)
		result = store_load(control->store, &config, &revision, error, ERROR_SIZE);
	if (!result) {
		confirm_start(control, &config, &revision);
		result = open_path(daemon, options, config, error);
	}
	if (result) {
		config_free(config);
		return result;
	}
	daemon->appliance = control_appliance(control);
	result = server_open(&daemon->server, options->socket, &daemon->appliance, error, ERROR_SIZE);
	if (!result)
		result = control_start(control, config, revision, error, ERROR_SIZE);
	if (result) {
		config_free(config);
		return result;
	}
	if (options->metrics.port) {
		result = metrics_open(&daemon->metrics, &options->metrics, control, error, ERROR_SIZE);
		if (result)
			return result;
	}
	snprintf(error, ERROR_SIZE, "cannot wait for events");
	if (watch(daemon, daemon->signal_fd) || watch(daemon, server_fd(daemon->server)) ||
	    watch(daemon, ports_fd(control->ports)) ||
	    watch(daemon, mailbox_event_fd(control->mailbox)) ||
	    (daemon->metrics && watch(daemon, metrics_fd(daemon->metrics))))
		return -EIO;
	privilege_settle();
	if (seccomp_confine(SECCOMP_CONTROL))
		complain("system calls are not filtered: the kernel cannot");
	journal_say(control->journal, "lbd %s runs, r%llu, console at %s", LB_VERSION,
		    (unsigned long long)revision, options->socket);
	return 0;
}

static void close_all(struct daemon *daemon)
{
	struct control *control = &daemon->control;

	if (daemon->server)
		server_close(daemon->server);
	daemon->server = NULL;
	if (daemon->metrics)
		metrics_close(daemon->metrics);
	ports_close(control->ports);
	loop_stop(control->loop);
	control_stop(control);
	compiler_fini(&control->compiler);
	if (control->store)
		store_close(control->store);
	journal_free(control->journal);
	mailbox_free(control->mailbox);
	close(daemon->signal_fd);
	close(daemon->epoll_fd);
}

static int wait_ms(const struct daemon *daemon, uint64_t now_ns)
{
	uint64_t deadline = control_deadline(&daemon->control);

	if (server_deadline(daemon->server) < deadline)
		deadline = server_deadline(daemon->server);
	if (daemon->metrics && metrics_deadline(daemon->metrics, now_ns) < deadline)
		deadline = metrics_deadline(daemon->metrics, now_ns);
	if (deadline == UINT64_MAX)
		return -1;
	if (deadline <= now_ns)
		return 0;
	uint64_t ms = (deadline - now_ns) / 1000000 + 1;
	return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

/* Until a signal says stop. */
static void run(struct daemon *daemon)
{
	struct control *control = &daemon->control;
	struct signalfd_siginfo signal_info;
	struct epoll_event event;

	while (read(daemon->signal_fd, &signal_info, sizeof(signal_info)) < 0) {
		int ready = epoll_wait(daemon->epoll_fd, &event, 1, wait_ms(daemon, clock_now_ns()));
		uint64_t now_ns = clock_now_ns();

		if (ready > 0 && event.data.fd == ports_fd(control->ports))
			control_links(control);
		if (ready > 0 && event.data.fd == mailbox_event_fd(control->mailbox))
			control_events(control);
		server_run(daemon->server, now_ns);
		if (daemon->metrics)
			metrics_run(daemon->metrics);
		control_tick(control, now_ns);
	}
	journal_say(control->journal, "lbd ends on %s", strsignal((int)signal_info.ssi_signo));
}

static int serve(const struct options *options)
{
	struct daemon daemon = {.epoll_fd = -1, .signal_fd = -1};
	char error[ERROR_SIZE];
	int result;

	result = directory_prepare(options->db, options->user, error, sizeof(error));
	if (!result)
		result = directory_prepare(options->socket, options->user, error, sizeof(error));
	if (!result)
		result = privilege_drop(options->user, CONTROL_SOCKET_GROUP, error, sizeof(error));
	if (!result)
		result = open_all(&daemon, options, error);
	if (!result) {
		sd_notify(0, "READY=1");
		run(&daemon);
		sd_notify(0, "STOPPING=1");
	} else {
		complain(error);
	}
	close_all(&daemon);
	return result ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options options = {.db = default_db, .socket = default_socket, .cpu = -1};

	if (argc > 1 && strcmp(argv[1], "replay") == 0)
		return replay_main(argc - 1, argv + 1);
	int ended = parse_options(argc, argv, &options);
	if (ended)
		return ended - 1;
	return options.check ? check_store(options.db) : serve(&options);
}
