"""Load by wrk."""

import re
import subprocess


def wrk(service, path, connections=8, seconds=5):
    """Requests a second, the median and the p99 in ms, and how many requests there were."""
    output = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
         "-H", f"Authorization: Bearer {service.token}", service.base + path],
        check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(output)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])
    return rate, latency(output, 50), latency(output, 99), int(re.search(r"(\d+) requests in", output)[1])


def latency(output, part):
    number, unit = re.search(rf"{part}%\s+([\d.]+)(us|ms|s)", output).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
