"""Describes the machine of a measurement."""

import os
import platform
from datetime import datetime, timezone


def describe():
    """Returns the date, the number of cores, their model and the kernel, in one line."""
    with open("/proc/cpuinfo") as cpuinfo:
        models = [line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")]
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    model = models[0] if models else platform.machine()
    return f"{date}; {os.cpu_count()} cores, {model}; Linux {platform.release()}"


def lines(setup):
    """Returns a Markdown list with the machine, the setup and the load averages."""
    load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
    return [
        f"- {describe()}",
        f"- {setup}",
        f"- load averages at the end of the run: {load} (above 2, other programs were running too)",
    ]
