"""Bodies that are made to cost more than they look."""

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
# What a server takes by default, as sent and as decoded.
BODY_BYTES_MAX = 16 * MIB
# What the server sets aside for bodies and what is made of them: limits::BODIES_BYTES_DEFAULT.
BODIES_BYTES = 512 * MIB
CPU_SECS_MAX, BOMB_BYTES_MAX = 1, 64 * MIB


@dataclass
class Bomb:
    name: str
    method: str
    body: bytes
    coding: str
    statuses: tuple
    growth_bytes_max: int = BOMB_BYTES_MAX
    is_chunked: bool = False


def run(section, quick):
    section.note(
        "each at a fresh server, since memory that was freed is used again; status and seconds until the answer, CPU time of "
        "the server until it rests again, growth of its resident memory at the peak"
    )
    bombs = [*compressed(), *documents()]
    for bomb in bombs[:: 3 if quick else 1]:
        with serving() as server:
            throw(section, server, bomb)
            with Client(server.port) as client:
                status = client.ask("GET", "/healthz").status
                counted = client.ask("GET", "/metrics").json()["total_events"]
        if status != 200 or counted != 0:
            section.fail(f"after {bomb.name} /healthz is {status} and {counted} events are counted")


def throw(section, server, bomb):
    before_bytes, before_secs = server.forget_peak(), server.cpu_secs()
    begun = time.monotonic()
    answer = send(server.port, bomb)
    elapsed_secs = time.monotonic() - begun
    cpu_secs = rested_cpu_secs(server) - before_secs
    growth_bytes = server.peak_bytes() - before_bytes
    name = f"{bomb.method} {bomb.name}, {mib(len(bomb.body))}"
    expected = " or ".join(map(str, bomb.statuses))
    section.judge(name, f"{answer} in {elapsed_secs:.2f} s", expected, answer in bomb.statuses)
    section.judge("… CPU time", f"{cpu_secs:.2f} s", f"{CPU_SECS_MAX} s", cpu_secs <= CPU_SECS_MAX, strict=False)
    bound = bomb.growth_bytes_max
    section.judge("… memory", mib(growth_bytes), mib(bound), growth_bytes <= bound)


def rested_cpu_secs(server):
    """The CPU time once it stands still: work may go on after the answer. The tick takes a hundredth now and then."""
    before = server.cpu_secs()
    while True:
        time.sleep(0.25)
        now = server.cpu_secs()
        if now - before < 0.02:
            return now
        before = now


def send(port, bomb):
    """The status of the answer, which may come while the body is still being sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        path = "/events" if bomb.method == "POST" else "/reference/users"
        head = f"{bomb.method} {path} HTTP/1.1\r\nhost: weir\r\ncontent-type: application/json\r\n"
        if bomb.coding:
            head += f"content-encoding: {bomb.coding}\r\n"
        length = "transfer-encoding: chunked" if bomb.is_chunked else f"content-length: {len(bomb.body)}"
        try:
            sock.sendall(f"{head}{length}\r\n\r\n".encode())
            for start in range(0, len(bomb.body), MIB):
                piece = bomb.body[start : start + MIB]
                sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if bomb.is_chunked else piece)
            if bomb.is_chunked:
                sock.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            # The answer may be there all the same.
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
    yield Bomb("nothing in gzip members", "POST", empty * (BODY_BYTES_MAX // len(empty)), "gzip", (400,))
    yield Bomb("1 GiB in one zstd frame", "POST", zstd_zeros(GIB), "zstd", (413,))
    yield Bomb("1 GiB in 1,024 zstd frames", "POST", zstd_zeros(MIB) * (GIB // MIB), "zstd", (413,))
    yield Bomb("1 GiB in one zstd frame", "PUT", zstd_zeros(GIB), "zstd", (413,))
    empty = zstd_zeros(0)
    yield Bomb("nothing in zstd frames", "POST", empty * (BODY_BYTES_MAX // len(empty)), "zstd", (400, 413))
    yield Bomb("a zstd frame with a window of 2 GiB", "POST", zstd_zeros(MIB, window_log=31), "zstd", (400,))


def zstd_zeros(count, window_log=23):
    """A zstd frame of so many zeros: RLE blocks of 128 KiB, each of which takes four bytes (RFC 8878, 3.1.1.2)."""
    BLOCK_BYTES_MAX, RAW, RLE = 128 << 10, 0, 1
    # No checksum, no content size, one byte for the window.
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
    yield Bomb("JSON a million deep", "POST", deep, "", (400,), **allowed)
    yield Bomb("JSON a million deep, closed", "POST", deep + b"]" * len(deep), "", (400,), **allowed)
    yield Bomb("an ignored field a million deep", "POST", event % deep, "", (400,), **allowed)
    yield Bomb("JSON a million deep", "PUT", table % (b'"u":' + deep), "", (400,), **allowed)
    yield Bomb("a string of 100 MB", "POST", text, "", (413,))
    yield Bomb("a string of 100 MB in chunks", "POST", text, "", (413,), is_chunked=True)
    yield Bomb("a string of 100 MB in gzip", "POST", gzip.compress(text, 1), "gzip", (413,))
    yield Bomb("a string of 100 MB", "PUT", text, "", (413,))
    yield Bomb("an id of 15 MB", "POST", b'{"event_id":"%b"}' % (b"x" * 15_000_000), "", (200,), **allowed)
    yield Bomb("a million keys", "POST", b"{%b}" % b",".join(keys), "", (200,), **allowed)
    yield Bomb("a million users that are none", "PUT", table % b",".join(keys), "", (422,), **allowed)
    yield Bomb("a million keys beside the table", "PUT", b"{%b}" % b",".join(keys), "", (422,), **allowed)
    yield Bomb("eight million events that are none", "POST", b"[%b]" % b",".join([b"7"] * 8_000_000), "", (413,), **allowed)
