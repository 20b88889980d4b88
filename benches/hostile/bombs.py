"""Request bodies that are built to cost far more CPU time or memory than their size suggests."""

import gzip
import http.client
import socket
import struct
import time
import zlib
from dataclasses import dataclass

from client import Client, timestamp
from report import mib
from server import serving

TITLE = "Bombs"

GIB, MIB = 1 << 30, 1 << 20
# The default limit of a body, both before and after decompression.
BODY_BYTES_MAX = 16 * MIB
# The memory budget for all bodies and their parsed forms: limits::BODIES_BYTES_DEFAULT.
BODIES_BYTES = 512 * MIB
CPU_SECS_MAX, BOMB_BYTES_MAX = 1, 64 * MIB


@dataclass
class Bomb:
    name: str
    method: str
    body: bytes
    content_encoding: str
    statuses: tuple
    growth_bytes_max: int = BOMB_BYTES_MAX
    is_chunked: bool = False


def run(section, quick):
    section.note(
        "Each bomb is sent to a fresh server, because freed memory would be used again. The rows have the status, the seconds "
        "until the response, the CPU time of the server until it is idle again, and the growth of its peak resident memory."
    )
    bombs = [*compressed(), *documents()]
    for bomb in bombs[:: 3 if quick else 1]:
        with serving() as server:
            measure(section, server, bomb)
            with Client(server.port) as client:
                status = client.request("GET", "/healthz").status
                counted = client.request("GET", "/metrics").json()["total_events"]
        if status != 200 or counted != 0:
            section.fail(f"after {bomb.name}, /healthz returned {status} and {counted} events were counted")


def measure(section, server, bomb):
    before_bytes, before_secs = server.reset_peak(), server.cpu_secs()
    start = time.monotonic()
    status = send(server.port, bomb)
    elapsed_secs = time.monotonic() - start
    cpu_secs = idle_cpu_secs(server) - before_secs
    growth_bytes = server.peak_bytes() - before_bytes
    name = f"{bomb.method} {bomb.name}, {mib(len(bomb.body))}"
    expected = " or ".join(map(str, bomb.statuses))
    section.check(name, f"{status} in {elapsed_secs:.2f} s", expected, status in bomb.statuses)
    section.check("… CPU time", f"{cpu_secs:.2f} s", f"{CPU_SECS_MAX} s", cpu_secs <= CPU_SECS_MAX, strict=False)
    bound = bomb.growth_bytes_max
    section.check("… memory growth", mib(growth_bytes), mib(bound), growth_bytes <= bound)


def idle_cpu_secs(server):
    """Waits until the server is idle, because work may continue after the response. Returns its CPU time.

    The tick takes a hundredth of a second from time to time. So an increase below two hundredths counts as idle.
    """
    before = server.cpu_secs()
    while True:
        time.sleep(0.25)
        now = server.cpu_secs()
        if now - before < 0.02:
            return now
        before = now


def send(port, bomb):
    """Sends a bomb and returns the status. The response may come while the body is still being sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        path = "/events" if bomb.method == "POST" else "/reference/users"
        head = f"{bomb.method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        if bomb.content_encoding:
            head += f"content-encoding: {bomb.content_encoding}\r\n"
        length = "transfer-encoding: chunked" if bomb.is_chunked else f"content-length: {len(bomb.body)}"
        try:
            sock.sendall(f"{head}{length}\r\n\r\n".encode())
            for start in range(0, len(bomb.body), MIB):
                piece = bomb.body[start : start + MIB]
                sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if bomb.is_chunked else piece)
            if bomb.is_chunked:
                sock.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            # The response may have arrived before the connection was closed.
            pass
        response = http.client.HTTPResponse(sock)
        response.begin()
        response.read()
        return response.status


def compressed():
    zeros = bytes(16 * MIB)
    compressor = zlib.compressobj(9, wbits=31)
    stream = b"".join([compressor.compress(zeros) for _ in range(GIB // len(zeros))] + [compressor.flush()])
    members = gzip.compress(bytes(MIB)) * (GIB // MIB)
    empty = gzip.compress(b"", mtime=0)
    yield Bomb("1 GiB in one gzip stream", "POST", stream, "gzip", (413,))
    yield Bomb("1 GiB in 1,024 gzip members", "POST", members, "gzip", (413,))
    yield Bomb("empty gzip members", "POST", empty * (BODY_BYTES_MAX // len(empty)), "gzip", (400,))
    yield Bomb("1 GiB in one zstd frame", "POST", zstd_zeros(GIB), "zstd", (413,))
    yield Bomb("1 GiB in 1,024 zstd frames", "POST", zstd_zeros(MIB) * (GIB // MIB), "zstd", (413,))
    yield Bomb("1 GiB in one zstd frame", "PUT", zstd_zeros(GIB), "zstd", (413,))
    empty = zstd_zeros(0)
    yield Bomb("empty zstd frames", "POST", empty * (BODY_BYTES_MAX // len(empty)), "zstd", (400, 413))
    yield Bomb("a zstd frame with a window of 2 GiB", "POST", zstd_zeros(MIB, window_log=31), "zstd", (400,))


def zstd_zeros(count, window_log=23):
    """Builds a zstd frame of `count` zeros, from RLE blocks of 128 KiB. A block takes four bytes (RFC 8878, 3.1.1.2)."""
    BLOCK_BYTES_MAX, RAW, RLE = 128 << 10, 0, 1
    # The frame header has no checksum and no content size, and one byte for the window size.
    frame = [struct.pack("<IBB", 0xFD2FB528, 0, (window_log - 10) << 3)]
    sizes = [BLOCK_BYTES_MAX] * (count // BLOCK_BYTES_MAX)
    for size in sizes:
        frame.append((RLE << 1 | size << 3).to_bytes(3, "little") + b"\0")
    is_last = 1
    frame.append((is_last | RAW << 1).to_bytes(3, "little"))
    return b"".join(frame)


def documents():
    deep = b"[" * 1_000_000
    event = b'{"event_id":"e","user_id":"u","type":"click","ts":"2025-10-08T12:00:00Z","x":%b}'
    table = b'{"ts":"%b","user_metadata":{%%b}}' % timestamp().encode()
    keys = [b'"k%06x":1' % number for number in range(1_000_000)]
    text = b'"%b"' % (b"x" * 100_000_000)
    allowed = {"growth_bytes_max": BODIES_BYTES}
    yield Bomb("JSON a million levels deep", "POST", deep, "", (400,), **allowed)
    yield Bomb("JSON a million levels deep, with closing brackets", "POST", deep + b"]" * len(deep), "", (400,), **allowed)
    yield Bomb("an ignored member a million levels deep", "POST", event % deep, "", (400,), **allowed)
    yield Bomb("JSON a million levels deep", "PUT", table % (b'"u":' + deep), "", (400,), **allowed)
    yield Bomb("a string of 100 MB", "POST", text, "", (413,))
    yield Bomb("a string of 100 MB in chunks", "POST", text, "", (413,), is_chunked=True)
    yield Bomb("a string of 100 MB in gzip", "POST", gzip.compress(text, 1), "gzip", (413,))
    yield Bomb("a string of 100 MB", "PUT", text, "", (413,))
    yield Bomb("an id of 15 MB", "POST", b'{"event_id":"%b"}' % (b"x" * 15_000_000), "", (200,), **allowed)
    yield Bomb("a million keys", "POST", b"{%b}" % b",".join(keys), "", (200,), **allowed)
    yield Bomb("a million invalid users", "PUT", table % b",".join(keys), "", (422,), **allowed)
    yield Bomb("a million keys next to the table", "PUT", b"{%b}" % b",".join(keys), "", (422,), **allowed)
    yield Bomb("an array of eight million numbers", "POST", b"[%b]" % b",".join([b"7"] * 8_000_000), "", (413,), **allowed)
