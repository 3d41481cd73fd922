"""The table that `make bench` prints: a line a figure, with its goal and whether it was met."""

import sys


class Goal:
    """What a figure must keep to."""

    def __init__(self, sign, limit, is_met):
        self.text, self.is_met = f"{sign} {limit}", lambda value: is_met(value, limit)


def below(limit):
    return Goal("<", limit, lambda value, limit: value < limit)


def at_most(limit):
    return Goal("<=", limit, lambda value, limit: value <= limit)


def at_least(limit):
    return Goal(">=", limit, lambda value, limit: value >= limit)


def note(text):
    """What happens meanwhile, for whoever watches."""
    print(f"  {text}", file=sys.stderr, flush=True)


def lowest(values):
    """The place of the best round, where less is better."""
    return min(range(len(values)), key=lambda place: values[place])


def highest(values):
    """The place of the best round, where more is better."""
    return max(range(len(values)), key=lambda place: values[place])


class Table:
    """The figures in the order in which they were measured."""

    HEADINGS = ("figure", "best", "range", "reference", "goal", "met")

    def __init__(self):
        self.rows = []
        self.missed = 0

    def add(self, figure, values, unit="", goal=None, best=None, reference="", digits=2):
        """A figure of some rounds: the best of them, by its place if another figure chose it."""
        value = values[lowest(values) if best is None else best]
        span = f"{min(values):.{digits}f} to {max(values):.{digits}f}" if len(values) > 1 else ""
        met = ""
        if goal:
            is_met = goal.is_met(value)
            met = "yes" if is_met else "NO"
            self.missed += not is_met
        self.rows.append((figure, f"{value:.{digits}f} {unit}".rstrip(), span, reference,
                          goal.text if goal else "", met))

    def write(self):
        """Prints all of it."""
        rows = [self.HEADINGS, *self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(self.HEADINGS))]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
