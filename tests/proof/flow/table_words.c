/* The table and its map, in words. */
#include "tests/proof/flow/table.h"

enum { TCP = 6, FIN = 1, SYN = 2, RST = 4, ACK = 16 };

const char *flags_text(uint32_t flags)
{
	static char text[32];

	snprintf(text, sizeof(text), "%s%s%s%s", flags & SYN ? "SYN " : "",
		 flags & FIN ? "FIN " : "", flags & RST ? "RST " : "", flags & ACK ? "ACK " : "");
	return flags ? text : "data ";
}

static void tell_ns(FILE *out, uint64_t ns)
{
	int64_t of_now = (int64_t)(ns - now_ns()), nearest;

	nearest = (of_now + (of_now < 0 ? -500000000 : 500000000)) / 1000000000;
	fprintf(out, "now%+lld s", (long long)nearest);
	if (of_now != nearest * 1000000000)
		fprintf(out, "%+lld ns", (long long)(of_now - nearest * 1000000000));
}

static void tell_birth(FILE *out, uint32_t i)
{
	const struct flow_birth *birth = &map.birth[i];

	fprintf(out, "  %c: %s, born by %s, %s", 'A' + i,
		birth->forward.protocol == TCP ? "TCP" : "UDP", flags_text(birth->tcp_flags),
		birth->sees_replies ? "sees replies" : "sees no replies");
	if (birth->idle_timeout_ns)
		fprintf(out, ", idle-timeout %llu s",
			(unsigned long long)(birth->idle_timeout_ns / 1000000000));
	if (birth->limits)
		fprintf(out, ", lifetime %llu s, front %llu s, back %llu s, requests %u, responses %u",
			(unsigned long long)(birth->limits->lifetime_ns / 1000000000),
			(unsigned long long)(birth->limits->front_timeout_ns / 1000000000),
			(unsigned long long)(birth->limits->back_timeout_ns / 1000000000),
			birth->limits->requests, birth->limits->responses);
	if (!map.flow[i].present) {
		fprintf(out, "; map: no flow\n");
		return;
	}
	fprintf(out, "; map: %s in record %u, ends ", flow_state_text(map_state(&map, (int)i)),
		map.flow[i].record);
	tell_ns(out, map_end_ns(&map, (int)i));
	fputc('\n', out);
}

void tell_table(FILE *out)
{
	fprintf(out, "  instants: every 10 s, from %+d ns to %+d ns of it; this one is at %+d ns\n",
		world->first_ns, world->last_ns, offset);
	for (uint32_t i = 0; i < map.births; i++)
		tell_birth(out, i);
	for (uint32_t i = 0; i < table.capacity; i++) {
		const struct flow *flow = flow_at(&table, i);

		if (!flow)
			continue;
		fprintf(out, "  record %u: flow %c, %s, heard ", i, 'A' + (char)(flow->backend - 100),
			flow->state < FLOW_STATE_COUNT ? flow_state_text(flow->state) : "?");
		tell_ns(out, flow->last_ns);
		fprintf(out, ", ends ");
		tell_ns(out, flow_end_ns(&table, flow));
		fputc('\n', out);
	}
	fprintf(out, "  live %u, half-open %u of %u, created %llu, first free record %u\n",
		table.live, table.half_open, table.half_open_max,
		(unsigned long long)table.created, table.first_free);
	for (uint32_t i = 0; i <= table.index.mask; i++) {
		const struct flow_bucket *bucket = &table.index.bucket[i];

		fprintf(out, "  bucket %u: passed %u:", i, bucket->passed);
		for (uint32_t way = 0; way < FLOW_INDEX_WAYS; way++)
			if (bucket->reference[way])
				fprintf(out, " record %u %s (tag %u)", (bucket->reference[way] - 1) / 2,
					(bucket->reference[way] - 1) % 2 ? "reply" : "forward",
					bucket->tag[way]);
		fputc('\n', out);
	}
	read_timers();
	fprintf(out, "  wheel, cursor at tick %+lld of now:",
		(long long)(table.wheel.cursor - now_tick()));
	for (uint32_t i = 0; i < table.capacity; i++)
		if (timer[i] == TIMER_DUE)
			fprintf(out, " record %u is due", i);
		else if (timer[i] != TIMER_NOWHERE)
			fprintf(out, " record %u in %+lld ticks", i, (long long)(timer[i] - now_tick()));
	fputc('\n', out);
}
