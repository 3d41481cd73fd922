#define _GNU_SOURCE
#include "CLinux.h"

#include <malloc.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static __thread void *current_loop;

int restante_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int restante_epoll_ctl(int epfd, int op, int fd, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data.u64 = token};
  return epoll_ctl(epfd, op, fd, &event);
}

int restante_epoll_wait(int epfd, uint32_t *events, uint64_t *tokens, int max, int timeout_ms) {
  struct epoll_event ready[256];
  int count = epoll_wait(epfd, ready, max < 256 ? max : 256, timeout_ms);
  for (int i = 0; i < count; i++) {
    events[i] = ready[i].events;
    tokens[i] = ready[i].data.u64;
  }
  return count;
}

int restante_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int restante_accept(int fd) { return accept4(fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC); }

void *restante_current_loop(void) { return current_loop; }

void restante_set_current_loop(void *loop) { current_loop = loop; }

void restante_set_up_heap(void) {
  mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  mallopt(M_TRIM_THRESHOLD, 512 * 1024);
}

void restante_release_free_memory(void) { malloc_trim(0); }
