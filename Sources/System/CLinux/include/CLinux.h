/* What Swift's view of glibc lacks of Linux: process descriptors, epoll, eventfd, accept4. */
#ifndef NSPHOST_CLINUX_H
#define NSPHOST_CLINUX_H

#include <stddef.h>
#include <stdint.h>

/* A descriptor of a process, readable once it is gone; -1 with errno. */
int nsp_pidfd_open(int process);

/* This process gets SIGTERM when the one that has started it ends, however that ends. */
void nsp_end_with_parent(void);

/* Accepts a connection: closed on exec, not blocking. -1 with errno. */
int nsp_accept(int socket);

/* A pair of connected stream sockets, closed on exec. 0, or -1 with errno. */
int nsp_socket_pair(int ends[2]);

/* A pipe, closed on exec: ends[0] is read, without blocking, ends[1] is written. 0, or -1 with errno. */
int nsp_pipe(int ends[2]);

/* Sends bytes and a descriptor with them, at once or not at all. 0, or -1. */
int nsp_send_descriptor(int socket, const void *bytes, unsigned count, int descriptor);

/* Has two files or folders change places, in one step. 0, or -1 with errno. */
int nsp_exchange(const char *one, const char *other);

/* Gives a file or folder another name, which nothing has. 0, or -1 with errno. */
int nsp_rename_new(const char *old, const char *new_name);

/* Starts a program in a process group of its own, with no signal blocked or ignored, with nothing as its standard input, and with a descriptor
   as its number NSP_WORKER_INPUT.
   `output`: its standard output and error; -1: those of this process.
   `static_tls`: bytes of static thread-local storage that its dynamic linker keeps for files that it loads later; 0 for what it keeps
   anyway. Its process id, or -1. */
enum { NSP_WORKER_INPUT = 3 };
int nsp_spawn_worker(const char *program, char *const arguments[], int input, int output, size_t static_tls);

/* Starts a program in a process group of its own, with no signal blocked or ignored, and with every descriptor that is not closed on exec.
   Its process id, or -1 with errno. */
int nsp_spawn(const char *program, char *const arguments[]);

/* Waits until a child of this process has ended, and leaves it to be collected: its id is nobody else's until then. */
void nsp_await_end(int process);

/* As many arenas of malloc as there are processors, two at least, instead of eight times as many: each keeps what a burst of threads has
   allocated in it. Before any other thread is there. */
void nsp_bound_arenas(void);

/* What this process is called by ps and its like; 15 bytes of it. */
void nsp_name_process(const char *name);

/* Takes signals from their default effect, to be waited for by one thread, the caller's, where they are no longer blocked: 0, or -1 with errno. */
int nsp_take_signals(const int *numbers, unsigned count);
/* The next of them; 0 when the time (in milliseconds, -1: none) is over first. One that comes while it waits does not prolong the time much. */
int nsp_next_signal(int64_t milliseconds);

/* A new counter that can be waited for, and one more for it. */
int nsp_eventfd(void);
void nsp_eventfd_signal(int descriptor);

/* A new timer that can be waited for, and the time when it goes off next, once: CLOCK_MONOTONIC, in nanoseconds; 0: not at all. */
int nsp_timer(void);
void nsp_timer_set(int descriptor, int64_t nanoseconds);

/* epoll. The number comes back with the events of its descriptor. */
enum { NSP_READ = 1, NSP_WRITE = 4, NSP_HANGUP = 0x2000, NSP_EDGE = (int)(1u << 31) };
enum { NSP_MOST_EVENTS = 32 };
int nsp_poll_create(void);
int nsp_poll_add(int poll, int descriptor, uint32_t events, uint64_t number);
int nsp_poll_change(int poll, int descriptor, uint32_t events, uint64_t number);
void nsp_poll_remove(int poll, int descriptor);
/* A descriptor that has an event, by its number; whether the other end is gone. */
struct nsp_ready {
  uint64_t number;
  uint32_t hangsUp;
};
/* Waits for events: how many, or 0 when the time (in milliseconds, -1: none) is over. */
int nsp_poll_wait(int poll, struct nsp_ready *ready, int most, int milliseconds);

/* Gives the pages that nothing is in back to the system, those between others too. Takes some milliseconds. */
void nsp_give_back_memory(void);

#endif
