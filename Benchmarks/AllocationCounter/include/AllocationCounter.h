/// A library to preload (LD_PRELOAD) that counts what a process allocates; see AllocationCounter.c.
