"""Resident memory over a long run, so that a slow leak shows."""

WIDTH = 40


class MemoryCurve:
    """Samples of a process, in the order in which they were taken."""

    def __init__(self):
        self.samples = []

    def add(self, seconds, requests, bytes):
        self.samples.append((seconds, requests, bytes))

    def write(self):
        """A line a sample, with a bar from the least to the most that was resident."""
        resident = [bytes for _, _, bytes in self.samples]
        least, most = min(resident), max(resident)
        print(f"\nresident memory, bars from {least / 1e6:.1f} to {most / 1e6:.1f} MB")
        for seconds, requests, bytes in self.samples:
            bar = "#" * (1 + round((bytes - least) / max(most - least, 1) * (WIDTH - 1)))
            print(f"{seconds / 60:6.1f} min  {requests:9} requests  {bytes / 1e6:7.2f} MB  {bar}")
        print(f"slope over the last two thirds: {self.slope():+.2f} KB per 1,000 requests")

    def slope(self):
        """KB by which memory grows with 1,000 requests, by least squares over the last two thirds."""
        kept = self.samples[len(self.samples) // 3:]
        xs = [requests / 1000 for _, requests, _ in kept]
        ys = [bytes / 1024 for _, _, bytes in kept]
        mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
        spread = sum((x - mean_x) ** 2 for x in xs)
        if spread == 0:
            return 0.0
        return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / spread
