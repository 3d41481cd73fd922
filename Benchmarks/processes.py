"""Processes that end with the benchmark, however it ends."""

import os
import signal
import subprocess
import time


def start(command, log, environment=None):
    """Starts `command` with its output in the file `log`; it gets SIGTERM when this process ends.

    Only the main thread may call this: the kernel watches the thread that started the process.
    """
    with open(log, "ab") as file:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *command], stdin=subprocess.DEVNULL,
            stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **(environment or {})})


def stop(process, limit=15):
    """Asks the process to end, and kills it where it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(condition, what, limit=60, interval=0.05):
    """Calls `condition` until it answers something true, and returns that."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(interval)
    raise RuntimeError(f"{what}: not within {limit} s")
