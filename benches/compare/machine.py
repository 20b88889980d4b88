"""Describes the machine of a measurement, and prepares its memory."""

import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

# The vector extensions that make a difference to weir, widest first, by their names in /proc/cpuinfo.
VECTOR_LEVELS = {"avx512bw": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}
# More memory than the servers of one round take.
BACKED_BYTES = 4 << 30


def describe():
    """Returns the date, the number of cores, their model, their vector level and the kernel, in one line."""
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    models = cpuinfo("model name")
    model = models[0] if models else platform.machine()
    return f"{date}; {os.cpu_count()} cores, {model}, {vector_level()}; Linux {platform.release()}"


def cpuinfo(name):
    lines = [line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line]
    return [value.strip() for key, value in lines if key.strip() == name]


def vector_level():
    flags = set(" ".join(cpuinfo("flags") + cpuinfo("Features")).split())
    return next((level for flag, level in VECTOR_LEVELS.items() if flag in flags), "no known vector extension")


def ticks():
    """Returns the ticks of all cores since the machine started: in total, and stolen by the hypervisor."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return sum(fields[:8]), fields[7]


LOAD_AT_START, TICKS_AT_START = os.getloadavg(), ticks()


def lines(setup):
    """Returns a Markdown list with the machine, the setup, and how busy the machine has been since the start of the script."""
    total, stolen = (now - before for now, before in zip(ticks(), TICKS_AT_START))
    before, after = (", ".join(f"{average:.2f}" for average in load) for load in (LOAD_AT_START, os.getloadavg()))
    return [
        f"- {describe()}",
        f"- {setup}",
        f"- load averages at the start of the run: {before}; at the end: {after} (above 2, other programs were running too)",
        f"- time that the hypervisor gave to others: {stolen / max(total, 1):.1%}",
    ]


def back_memory():
    """Touches memory once in a child process, as far as it is free.

    In a virtual machine, the first touch of memory that the host has not provided yet takes many times as long as a later
    one. Without this, the first servers that need the memory would pay for all others.
    """
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    size = min(BACKED_BYTES, os.sysconf("SC_AVPHYS_PAGES") * page_bytes // 2)
    touch = f"import mmap\nm = mmap.mmap(-1, {size})\nm.madvise(getattr(mmap, 'MADV_HUGEPAGE', 14))\n"
    touch += f"for at in range(0, {size}, {page_bytes}): m[at] = 1"
    subprocess.run([sys.executable, "-c", touch], check=True)
