/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "kernel_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

/* Above any record: the kernel makes none longer than 8 KiB (CONSOLE_EXT_LOG_MAX in kernel/printk). */
#define LINE_MAX_BYTES	16384
/* Above any log: one that grows faster than it is read must end somewhere. */
#define LOG_MAX_BYTES	(256u << 20)

/* A number and the character behind it; moves *s behind both. */
static int take_number(const char **s, char behind, uint64_t *out)
{
	char *end;

	if (**s < '0' || **s > '9')
		return -EINVAL;
	errno = 0;
	*out = strtoull(*s, &end, 10);
	if (errno || *end != behind)
		return -EINVAL;
	*s = end + 1;
	return 0;
}

int kernel_record_parse(const char *line, uint64_t *number, const char **message)
{
	const char *s = line, *text = strchr(line, ';');
	uint64_t priority, at;

	if (!text || take_number(&s, ',', &priority) < 0 || take_number(&s, ',', &at) < 0 || s > text)
		return -EINVAL;
	*number = at;
	/* The lower three bits are the level; facility 0 is the kernel's own. */
	*message = priority >> 3 ? NULL : text + 1;
	return 0;
}

struct reader {
	const char *prefix;
	struct kernel_log *log;
	bool begun;			/* a record was seen */
	bool skip;			/* up to the end of a line that is too long */
	size_t len;			/* of what buf has of a line */
	char buf[LINE_MAX_BYTES];
};

static void take_line(struct reader *rd, const char *line)
{
	const char *message;
	uint64_t number;

	if (kernel_record_parse(line, &number, &message) < 0)
		return;
	if (!rd->begun)
		rd->log->whole = number == 0;
	rd->begun = true;
	if (message && !strncmp(message, rd->prefix, strlen(rd->prefix)))
		strlist_add(&rd->log->messages, message);
}

/* The lines that buf has whole; what is left of the last one moves to its front. */
static void take_lines(struct reader *rd)
{
	char *s = rd->buf, *end = rd->buf + rd->len, *newline;

	while ((newline = memchr(s, '\n', (size_t)(end - s)))) {
		*newline = '\0';
		if (!rd->skip)
			take_line(rd, s);
		rd->skip = false;
		s = newline + 1;
	}
	rd->len = (size_t)(end - s);
	memmove(rd->buf, s, rd->len);
	if (rd->len < sizeof(rd->buf))
		return;
	rd->skip = true;
	rd->len = 0;
}

/* What was read lies before a gap: which record is the last of its kind is not known from it. */
static void begin_anew(struct reader *rd)
{
	strlist_free(&rd->log->messages);
	rd->log->messages = (struct strlist){ 0 };
	rd->log->whole = false;
	rd->begun = true;
	rd->skip = false;
	rd->len = 0;
}

static int read_records(int fd, struct reader *rd)
{
	size_t sum = 0;

	while (sum <= LOG_MAX_BYTES) {
		ssize_t n = read(fd, rd->buf + rd->len, sizeof(rd->buf) - rd->len);

		if (n > 0) {
			sum += (size_t)n;
			rd->len += (size_t)n;
			take_lines(rd);
		} else if (n == 0 || errno == EAGAIN) {
			return 0;
		} else if (errno == EPIPE) {
			/* The log went round over the record that was next. */
			begin_anew(rd);
			sum++;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return -EFBIG;
}

int kernel_log_read(const struct root *r, const char *prefix, struct kernel_log *out, struct err *e)
{
	AUTO_FREE struct reader *rd = xcalloc(1, sizeof(*rd));
	AUTO_FD int fd = root_openat(r, KERNEL_LOG_PATH, O_RDONLY | O_NONBLOCK, 0);
	int rc;

	*out = (struct kernel_log){ .whole = true };
	rd->prefix = prefix;
	rd->log = out;
	rc = fd < 0 ? fd : read_records(fd, rd);
	if (rc == 0)
		return 0;
	/* What counts may stand in what was not read. */
	kernel_log_free(out);
	*out = (struct kernel_log){ 0 };
	return fail_errno(e, -rc, "read '/" KERNEL_LOG_PATH "'");
}

void kernel_log_free(struct kernel_log *l)
{
	strlist_free(&l->messages);
}
