#include "ring/wake.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "ring/internal.h"

struct wake {
	int armed_fd;           /* an array of one word, mapped */
	int news_fd;            /* a BPF ring buffer: what the program writes to, and what wakes */
	int program_fd[WAKE_ENDS];
	size_t page;
	uint32_t *armed;
	/* The buffer's positions, as kernel/bpf/ringbuf.c lays them out: a page that the reader
	 * writes, then one that only the kernel does. */
	unsigned long *read_until;
	const unsigned long *written_until;
};

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	long result = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return result < 0 ? -errno : (int)result;
}

static int make_map(enum bpf_map_type type, uint32_t key_size, uint32_t value_size,
		    uint32_t entries, uint32_t flags)
{
	union bpf_attr attr = {
		.map_type = type,
		.key_size = key_size,
		.value_size = value_size,
		.max_entries = entries,
		.map_flags = flags,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

/* if (*armed) { *armed = 0; write *armed to news and wake; } return keep; */
static int load_program(const struct wake *wake, int32_t keep)
{
	enum { TEST = 3, RETURN = 10 }; /* the instructions that jump, and where to */
	const struct bpf_insn program[] = {
		{.code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = BPF_REG_2,
		 .src_reg = BPF_PSEUDO_MAP_VALUE, .imm = wake->armed_fd},
		{0}, /* the second half of the one before */
		{.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_0, .src_reg = BPF_REG_2},
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0,
		 .off = RETURN - TEST - 1},
		{.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = BPF_REG_2},
		{.code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = BPF_REG_1,
		 .src_reg = BPF_PSEUDO_MAP_FD, .imm = wake->news_fd},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3,
		 .imm = sizeof(*wake->armed)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4,
		 .imm = BPF_RB_FORCE_WAKEUP},
		/* bpf_ringbuf_output(news, armed, 4, BPF_RB_FORCE_WAKEUP) */
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ringbuf_output},
		{.code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = keep},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uintptr_t)program,
		.insn_cnt = sizeof(program) / sizeof(program[0]),
		.license = (uintptr_t)"",
		.prog_name = "lb_wake",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static int map_words(struct wake *wake)
{
	void *armed, *read_until, *written_until;

	armed = mmap(NULL, wake->page, PROT_READ | PROT_WRITE, MAP_SHARED, wake->armed_fd, 0);
	if (armed == MAP_FAILED)
		return -errno;
	wake->armed = armed;
	read_until = mmap(NULL, wake->page, PROT_READ | PROT_WRITE, MAP_SHARED, wake->news_fd, 0);
	if (read_until == MAP_FAILED)
		return -errno;
	wake->read_until = read_until;
	written_until = mmap(NULL, wake->page, PROT_READ, MAP_SHARED, wake->news_fd,
			     (off_t)wake->page);
	if (written_until == MAP_FAILED)
		return -errno;
	wake->written_until = written_until;
	return 0;
}

static int make(struct wake *wake)
{
	/* What the kernel keeps of a packet: all, or nothing. */
	static const int32_t keep[WAKE_ENDS] = {[WAKE_AND_KEEP] = -1, [WAKE_AND_DROP] = 0};
	int status;

	wake->armed_fd = make_map(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(*wake->armed), 1,
				  BPF_F_MMAPABLE);
	if (wake->armed_fd < 0)
		return wake->armed_fd;
	wake->news_fd = make_map(BPF_MAP_TYPE_RINGBUF, 0, 0, (uint32_t)wake->page, 0);
	if (wake->news_fd < 0)
		return wake->news_fd;
	status = map_words(wake);
	for (unsigned end = 0; !status && end < WAKE_ENDS; end++) {
		wake->program_fd[end] = load_program(wake, keep[end]);
		if (wake->program_fd[end] < 0)
			status = wake->program_fd[end];
	}
	return status;
}

int wake_open(struct wake **ret_wake, char *error, size_t error_size)
{
	struct wake *wake;
	int status;

	if (!RECEIVE_PEEKS)
		return ring_error(error, error_size, -EOPNOTSUPP, "waking by eBPF");
	wake = malloc(sizeof(*wake));
	if (!wake)
		return ring_error(error, error_size, -ENOMEM, "waking by eBPF");
	*wake = (struct wake){.armed_fd = -1, .news_fd = -1, .program_fd = {-1, -1},
			      .page = (size_t)sysconf(_SC_PAGESIZE)};
	status = make(wake);
	if (status) {
		wake_close(wake);
		return ring_error(error, error_size, status, "waking by eBPF");
	}
	*ret_wake = wake;
	return 0;
}

static void unmap(const void *memory, size_t bytes)
{
	if (memory)
		munmap((void *)(uintptr_t)memory, bytes);
}

static void close_one(int fd)
{
	if (fd >= 0)
		close(fd);
}

void wake_close(struct wake *wake)
{
	if (!wake)
		return;
	unmap(wake->armed, wake->page);
	unmap(wake->read_until, wake->page);
	unmap(wake->written_until, wake->page);
	for (unsigned end = 0; end < WAKE_ENDS; end++)
		close_one(wake->program_fd[end]);
	close_one(wake->news_fd);
	close_one(wake->armed_fd);
	free(wake);
}

void wake_arm(struct wake *wake)
{
	__atomic_store_n(wake->read_until,
			 __atomic_load_n(wake->written_until, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
	/* Seen by the kernel before the rings are looked at again. */
	__atomic_store_n(wake->armed, 1, __ATOMIC_SEQ_CST);
}

void wake_disarm(struct wake *wake)
{
	__atomic_store_n(wake->armed, 0, __ATOMIC_RELAXED);
}

int wake_fd(const struct wake *wake)
{
	return wake->news_fd;
}

int wake_attach(const struct wake *wake, int fd, enum wake_end end)
{
	const int *program = &wake->program_fd[end];

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, program, sizeof(*program)) ? -errno : 0;
}
