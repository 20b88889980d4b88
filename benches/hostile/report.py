"""The report of measured values and their bounds."""

import subprocess
from dataclasses import dataclass, field

import machine
from server import OUT, ROOT

PATH = OUT / "report.md"


@dataclass
class Section:
    """The values of a scenario. The scenario has failed if it did not complete, or if a strict bound does not hold."""

    title: str
    rows: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    has_failed: bool = False

    def add(self, name, value):
        """Adds a value without a bound."""
        self.rows.append((name, value, "", ""))

    def check(self, name, value, bound, holds, strict=True):
        """Adds a value and its bound. Noise can exceed a bound that is not strict, so such a bound fails nothing."""
        self.rows.append((name, value, bound, "met" if holds else "**failed**" if strict else "**missed**"))
        self.has_failed |= strict and not holds

    def note(self, line):
        self.notes.append(line)

    def fail(self, line):
        self.note(f"failed: {line}")
        self.has_failed = True


def write(sections):
    """Writes report.md and returns its text."""
    parts = ["# weir under hostile and excess load", environment()]
    for section in sections:
        parts.append(f"## {section.title}")
        if section.notes:
            parts.append("\n".join(f"- {line}" for line in section.notes))
        if section.rows:
            lines = [("", "measured", "bound", ""), ("---", "---:", "---:", "---"), *section.rows]
            parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
    text = "\n\n".join(parts) + "\n"
    OUT.mkdir(parents=True, exist_ok=True)
    PATH.write_text(text)
    return text


def environment():
    describe = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return "\n".join(machine.lines(f"weir {commit}: server on core 0, every client on core 1, over loopback"))


def mib(count):
    return f"{count / (1 << 20):.1f} MiB"


def quantile(values, fraction):
    """Returns the value at this fraction of the sorted values."""
    ranked = sorted(values)
    return ranked[min(int(fraction * len(ranked)), len(ranked) - 1)]


def latencies(latencies_ms):
    """Formats p50, p99 and the maximum."""
    if not latencies_ms:
        return "none"
    p50, p99, maximum = (quantile(latencies_ms, fraction) for fraction in (0.5, 0.99, 1))
    return f"{p50:.1f} / {p99:.1f} / {maximum:.1f} ms"
