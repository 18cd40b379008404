#include "appliance/replay_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2, MTU_DEFAULT = 1500 };

static const char usage[] =
	"usage: lbd replay --config SCRIPT --in IFACE=FILE.pcap... [--out DIR] [--json]\n"
	"                  [--assume-up] [--mtu N]\n"
	"\n"
	"What would have happened to these captures? The packet path runs over them, in the\n"
	"captures' time.\n"
	"\n"
	"  --config SCRIPT   the configuration, as for lb\n"
	"  --in IFACE=FILE   a capture of what came in on an interface; may be repeated\n"
	"  --out DIR         write what would have left to DIR/IFACE.pcap\n"
	"  --json            one line a frame, then the counters\n"
	"  --assume-up       no checks: every backend counts as up\n"
	"  --mtu N           of all interfaces (default 1500)\n";

static bool add_input(struct replay_options *options, char *argument)
{
	char *file = strchr(argument, '=');

	if (!file || file == argument || !file[1]) {
		fprintf(stderr, "lbd replay: --in %s: not of the form IFACE=FILE\n", argument);
		return false;
	}
	if (options->inputs == INTERFACES_MAX) {
		fprintf(stderr, "lbd replay: more than %u captures\n", INTERFACES_MAX);
		return false;
	}
	*file++ = '\0';
	options->input[options->inputs++] = (__typeof__(options->input[0])){argument, file};
	return true;
}

static bool parse_mtu(struct replay_options *options, const char *text)
{
	enum { MTU_MIN = 68, MTU_MAX = 65535 }; /* RFC 791 */
	char *end;
	long mtu = strtol(text, &end, 10);

	if (end == text || *end || mtu < MTU_MIN || mtu > MTU_MAX) {
		fprintf(stderr, "lbd replay: --mtu %s: not a number from %d to %d\n", text, MTU_MIN,
			MTU_MAX);
		return false;
	}
	options->mtu = (uint16_t)mtu;
	return true;
}

int replay_options_parse(int argc, char **argv, struct replay_options *options)
{
	enum { CONFIG = 1, IN, OUT, JSON, ASSUME_UP, MTU, HELP };
	static const struct option table[] = {
		{"config", required_argument, NULL, CONFIG}, {"in", required_argument, NULL, IN},
		{"out", required_argument, NULL, OUT},       {"json", no_argument, NULL, JSON},
		{"assume-up", no_argument, NULL, ASSUME_UP}, {"mtu", required_argument, NULL, MTU},
		{"help", no_argument, NULL, HELP},           {0},
	};

	*options = (struct replay_options){.mtu = MTU_DEFAULT};
	for (int option; (option = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		switch (option) {
		case CONFIG: options->script = optarg; break;
		case OUT: options->out = optarg; break;
		case JSON: options->json = true; break;
		case ASSUME_UP: options->assume_up = true; break;
		case IN:
			if (!add_input(options, optarg))
				return EXIT_USAGE + 1;
			break;
		case MTU:
			if (!parse_mtu(options, optarg))
				return EXIT_USAGE + 1;
			break;
		case HELP: fputs(usage, stdout); return EXIT_SUCCESS + 1;
		default: fputs("Try `lbd replay --help`.\n", stderr); return EXIT_USAGE + 1;
		}
	}
	if (optind < argc)
		fprintf(stderr, "lbd replay: what is \"%s\"? Try `lbd replay --help`.\n", argv[optind]);
	else if (!options->script)
		fputs("lbd replay: --config SCRIPT is missing\n", stderr);
	else if (!options->inputs)
		fputs("lbd replay: --in IFACE=FILE.pcap is missing\n", stderr);
	else
		return 0;
	return EXIT_USAGE + 1;
}
