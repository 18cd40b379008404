#include "appliance/mailbox.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS = 4096 }; /* a power of two */

struct errand {
	mailbox_errand *run;
	void *argument;
};

struct mailbox {
	_Atomic(struct errand *) errand;
	int wake_fd, done_fd, event_fd;
	struct path *in_place;  /* not NULL: errands run here, at `now_ns` */
	uint64_t now_ns;

	/* Each index has one writer, and a cache line of its own. */
	_Alignas(64) _Atomic uint32_t written;
	_Alignas(64) _Atomic uint32_t read;
	_Atomic bool lost;
	struct path_event event[EVENTS];
};

/* eventfd reads and writes are whole or nothing; only a signal can come between. */
static void signal_fd(int fd)
{
	while (eventfd_write(fd, 1) < 0 && errno == EINTR)
		;
}

static void await_fd(int fd)
{
	eventfd_t value;

	while (eventfd_read(fd, &value) < 0 && errno == EINTR)
		;
}

struct mailbox *mailbox_new(void)
{
	struct mailbox *mailbox = aligned_alloc(_Alignof(struct mailbox), sizeof(*mailbox));

	if (!mailbox)
		return NULL;
	*mailbox = (struct mailbox){
		.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.done_fd = eventfd(0, EFD_CLOEXEC),
		.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	if (mailbox->wake_fd >= 0 && mailbox->done_fd >= 0 && mailbox->event_fd >= 0)
		return mailbox;
	mailbox_free(mailbox);
	return NULL;
}

void mailbox_free(struct mailbox *mailbox)
{
	if (!mailbox)
		return;
	close(mailbox->wake_fd);
	close(mailbox->done_fd);
	close(mailbox->event_fd);
	free(mailbox);
}

void mailbox_use_in_place(struct mailbox *mailbox, struct path *path, uint64_t now_ns)
{
	mailbox->in_place = path;
	mailbox->now_ns = now_ns;
}

void mailbox_call(struct mailbox *mailbox, mailbox_errand *run, void *argument)
{
	struct errand errand = {.run = run, .argument = argument};

	if (mailbox->in_place) {
		run(mailbox->in_place, argument, mailbox->now_ns);
		return;
	}
	atomic_store_explicit(&mailbox->errand, &errand, memory_order_release);
	signal_fd(mailbox->wake_fd);
	await_fd(mailbox->done_fd);
}

bool mailbox_pending(const struct mailbox *mailbox)
{
	return atomic_load_explicit(&mailbox->errand, memory_order_relaxed) != NULL;
}

void mailbox_serve(struct mailbox *mailbox, struct path *path, uint64_t now_ns)
{
	struct errand *errand = atomic_load_explicit(&mailbox->errand, memory_order_acquire);

	if (!errand)
		return;
	atomic_store_explicit(&mailbox->errand, NULL, memory_order_relaxed);
	errand->run(path, errand->argument, now_ns);
	signal_fd(mailbox->done_fd);
}

/* An errand is in its place before the descriptor says so: what is cleared here is seen next. */
void mailbox_woken(struct mailbox *mailbox)
{
	eventfd_t value;

	eventfd_read(mailbox->wake_fd, &value);
}

int mailbox_wake_fd(const struct mailbox *mailbox)
{
	return mailbox->wake_fd;
}

int mailbox_event_fd(const struct mailbox *mailbox)
{
	return mailbox->event_fd;
}

void mailbox_event(struct mailbox *mailbox, const struct path_event *event)
{
	uint32_t written = atomic_load_explicit(&mailbox->written, memory_order_relaxed);
	uint32_t read = atomic_load_explicit(&mailbox->read, memory_order_acquire);

	if (written - read == EVENTS) {
		atomic_store_explicit(&mailbox->lost, true, memory_order_release);
		return;
	}
	mailbox->event[written % EVENTS] = *event;
	atomic_store_explicit(&mailbox->written, written + 1, memory_order_release);
	signal_fd(mailbox->event_fd);
}

bool mailbox_next_event(struct mailbox *mailbox, struct path_event *ret_event, bool *ret_lost)
{
	uint32_t read = atomic_load_explicit(&mailbox->read, memory_order_relaxed);
	eventfd_t value;

	*ret_lost = atomic_exchange_explicit(&mailbox->lost, false, memory_order_acquire);
	if (read == atomic_load_explicit(&mailbox->written, memory_order_acquire)) {
		eventfd_read(mailbox->event_fd, &value);
		/* What was written before is seen now, or the descriptor is readable again. */
		if (read == atomic_load_explicit(&mailbox->written, memory_order_acquire))
			return false;
	}
	*ret_event = mailbox->event[read % EVENTS];
	atomic_store_explicit(&mailbox->read, read + 1, memory_order_release);
	return true;
}
