"""Describes the machine of a measurement."""

import os
import platform
from datetime import datetime, timezone


def lines(setup):
    """Returns a Markdown list with the date, the machine, the setup and the load averages."""
    with open("/proc/cpuinfo") as cpuinfo:
        models = [line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")]
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
    return [
        f"- {date}; {os.cpu_count()} cores, {models[0] if models else platform.machine()}; Linux {platform.release()}",
        f"- {setup}",
        f"- load averages at the end of the run: {load} (above 2, other programs were running too)",
    ]
