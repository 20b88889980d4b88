"""What was measured, beside the bounds that it should keep."""

import subprocess
from dataclasses import dataclass, field

import machine
from server import OUT, ROOT

PATH = OUT / "report.md"


@dataclass
class Section:
    """A scenario's figures. It is broken when a bound that no noise excuses does not hold."""

    title: str
    rows: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    is_broken: bool = False

    def tell(self, name, value):
        """A figure without a bound."""
        self.rows.append((name, value, "", ""))

    def judge(self, name, value, bound, holds, strict=True):
        """A figure and its bound. One that is not strict, since noise can move it, is reported and breaks nothing."""
        self.rows.append((name, value, bound, "kept" if holds else "**broken**" if strict else "**missed**"))
        self.is_broken |= strict and not holds

    def note(self, line):
        self.notes.append(line)

    def fail(self, line):
        self.note(f"failed: {line}")
        self.is_broken = True


def write(sections):
    """report.md; its text."""
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


def quantile(values, share):
    """The value that this share of them does not exceed."""
    ranked = sorted(values)
    return ranked[min(int(share * len(ranked)), len(ranked) - 1)]


def latencies(latencies_ms):
    """p50, p99 and the longest, as text."""
    if not latencies_ms:
        return "none"
    p50, p99, longest = (quantile(latencies_ms, share) for share in (0.5, 0.99, 1))
    return f"{p50:.1f} / {p99:.1f} / {longest:.1f} ms"
