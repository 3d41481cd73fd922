// The Linux calls that Swift's Glibc module lacks, and the loop a thread belongs to.
#ifndef RESTANTE_CLINUX_H
#define RESTANTE_CLINUX_H
#include <stdint.h>

/// A new epoll instance, closed on exec; -1 and errno where the kernel refuses.
int restante_epoll_create(void);
/// Registers (op 1), changes (3) or removes (2) `fd`; `token` comes back with each event.
int restante_epoll_ctl(int epfd, int op, int fd, uint32_t events, uint64_t token);
/// Waits up to `timeout_ms`; fills `events` and `tokens`; the count, or -1 and errno.
int restante_epoll_wait(int epfd, uint32_t *events, uint64_t *tokens, int max, int timeout_ms);
/// A non-blocking eventfd, closed on exec.
int restante_eventfd(void);
/// Accepts one connection as a non-blocking descriptor, closed on exec.
int restante_accept(int fd);
/// The loop that the calling thread runs, or null.
void *restante_current_loop(void);
/// Names the loop that the calling thread runs.
void restante_set_current_loop(void *loop);
/// Lets the heap give large blocks back when they are freed; glibc would learn to keep them.
void restante_set_up_heap(void);
/// Gives the free pages of the heap back to the kernel.
void restante_release_free_memory(void);

#define RESTANTE_EPOLLIN 0x001u
#define RESTANTE_EPOLLOUT 0x004u
#define RESTANTE_EPOLLERR 0x008u
#define RESTANTE_EPOLLHUP 0x010u
#define RESTANTE_EPOLLRDHUP 0x2000u
#define RESTANTE_EPOLLET 0x80000000u
#endif
