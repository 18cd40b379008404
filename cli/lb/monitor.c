#include "cli/lb/monitor.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/lb/picture.h"
#include "cli/lb/signals.h"
#include "cli/lb/terminal.h"
#include "cli/protocol.h"

enum { KEYS_SIZE = 256, ESCAPE = 033, DELETE = 0177 };

#define CONTROL(letter) ((letter) & 037)

struct monitor {
	struct terminal terminal;
	struct canvas canvas;
	struct view view;
	struct buffer text;        /* of the document that is coming */
	json_t *document, *shown;  /* the last one; the one on the screen while paused */
	struct trends trends;      /* up to `document` */
	bool leaving;
};

static const json_t *body(const json_t *document)
{
	return json_object_get(document, "monitor");
}

static void draw(struct monitor *monitor)
{
	const json_t *document = monitor->view.paused ? monitor->shown : monitor->document;
	struct canvas *canvas = &monitor->canvas;
	char *frame = NULL;
	size_t size;

	if (!document)
		return;
	terminal_size(&canvas->rows, &canvas->columns);
	canvas->stream = open_memstream(&frame, &size);
	if (!canvas->stream)
		return;
	picture_draw(canvas, body(document), &monitor->trends, &monitor->view);
	if (fclose(canvas->stream) == 0)
		terminal_write(frame, size);
	free(frame);
}

/* The trends borrow of the last document, so it is let go after them. */
static void take_document(struct monitor *monitor, const char *line)
{
	json_t *document = json_loads(line, 0, NULL);
	struct trends trends;

	if (!document)
		return;
	picture_trends(body(document), &trends);
	trends_follow(&trends, &monitor->trends);
	json_decref(monitor->document);
	monitor->document = document;
	monitor->trends = trends;
	if (!monitor->view.paused)
		draw(monitor);
}

void monitor_sample(struct monitor *monitor, const char *text, size_t size)
{
	struct buffer *buffer = &monitor->text;

	buffer_append(buffer, text, size);
	if (!size || text[size - 1] != '\n')
		return;
	if (!buffer->failed) {
		buffer->bytes[buffer->size - 1] = 0;
		take_document(monitor, (const char *)buffer->bytes + buffer->start);
	}
	buffer_free(buffer);
}

static void pause_or_go_on(struct monitor *monitor)
{
	monitor->view.paused = !monitor->view.paused;
	json_decref(monitor->shown);
	monitor->shown = monitor->view.paused ? json_incref(monitor->document) : NULL;
}

static void scroll(struct view *view, long lines)
{
	if (lines < 0 && view->first < (size_t)-lines)
		view->first = 0;
	else
		view->first += (size_t)lines; /* drawing sees to the end */
}

static void type(struct view *view, char key)
{
	size_t length = strlen(view->word);

	if (key == '\n' || key == '\r') {
		view->typing = false;
	} else if (key == ESCAPE || key == CONTROL('U')) {
		view->word[0] = 0;
		view->typing = key != ESCAPE;
	} else if ((key == DELETE || key == '\b') && length) {
		view->word[length - 1] = 0;
	} else if (isprint((unsigned char)key) && length + 1 < WORD_SIZE) {
		view->word[length] = key;
		view->word[length + 1] = 0;
	}
	view->first = 0;
}

static void press(struct monitor *monitor, char key)
{
	struct view *view = &monitor->view;

	if (view->typing) {
		type(view, key);
		return;
	}
	switch (key) {
	case 'q':
	case CONTROL('D'):
		monitor->leaving = true;
		break;
	case 's':
		view->sort = (view->sort + 1) % SORTS;
		break;
	case 'S':
		view->sort = (view->sort + SORTS - 1) % SORTS;
		break;
	case '/':
		view->typing = true;
		break;
	case 'p':
	case ' ':
		pause_or_go_on(monitor);
		break;
	case ESCAPE:
		view->word[0] = 0;
		break;
	case 'j':
		scroll(view, 1);
		break;
	case 'k':
		scroll(view, -1);
		break;
	default:
		break;
	}
}

/* What a terminal sends for a key that moves: "ESC [ A", "ESC O A", "ESC [ 5 ~"; its size. */
static size_t press_moving(struct monitor *monitor, const char *keys, size_t count)
{
	struct view *view = &monitor->view;
	size_t size = 2;

	while (size < count && (isdigit((unsigned char)keys[size]) || keys[size] == ';'))
		size++;
	if (size >= count)
		return count;
	if (keys[size] == 'A')
		scroll(view, -1);
	else if (keys[size] == 'B')
		scroll(view, 1);
	else if (keys[size] == 'H' || (keys[size] == '~' && keys[2] == '1'))
		view->first = 0;
	else if (keys[size] == 'F' || (keys[size] == '~' && keys[2] == '4'))
		view->first = SIZE_MAX / 2;
	else if (keys[size] == '~' && keys[2] == '5')
		scroll(view, -(long)view->page);
	else if (keys[size] == '~' && keys[2] == '6')
		scroll(view, (long)view->page);
	return size + 1;
}

/* A terminal sends a sequence in one go, so an escape that comes last is the key of that name. */
static void take_keys(struct monitor *monitor)
{
	struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
	char keys[KEYS_SIZE];
	ssize_t count;

	if (poll(&ready, 1, 0) <= 0)
		return;
	count = read(STDIN_FILENO, keys, sizeof(keys));
	if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN))
		monitor->leaving = true;
	for (ssize_t i = 0; i < count && !monitor->leaving;) {
		if (keys[i] == ESCAPE && i + 1 < count && strchr("[O", keys[i + 1]))
			i += (ssize_t)press_moving(monitor, keys + i, (size_t)(count - i));
		else
			press(monitor, keys[i++]);
	}
}

bool monitor_attend(struct monitor *monitor)
{
	if (signals.interrupted || signals.terminated)
		return false;
	if (signals.stopped) {
		signals.stopped = 0;
		terminal_stop(&monitor->terminal);
	}
	take_keys(monitor);
	if (monitor->leaving)
		return false;
	draw(monitor);
	return true;
}

struct monitor *monitor_open(void)
{
	const char *no_color = getenv("NO_COLOR");
	struct monitor *monitor = calloc(1, sizeof(*monitor));

	if (!monitor)
		return NULL;
	fflush(stdout);
	if (terminal_open(&monitor->terminal) < 0) {
		free(monitor);
		return NULL;
	}
	setlocale(LC_CTYPE, "");
	monitor->canvas.escapes = true;
	monitor->canvas.colours = !no_color || !*no_color;
	monitor->canvas.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	return monitor;
}

void monitor_close(struct monitor *monitor)
{
	if (!monitor)
		return;
	terminal_close(&monitor->terminal);
	trends_free(&monitor->trends);
	json_decref(monitor->document);
	json_decref(monitor->shown);
	buffer_free(&monitor->text);
	free(monitor);
}
