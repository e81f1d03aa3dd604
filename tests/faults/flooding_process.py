"""A caller who sends as much as a gateway takes, over many connections, and reads nothing but fast streams.

python flooding_process.py KIND CONNECTIONS SECONDS HOST:PORT TOKEN
"""

import contextlib
import resource
import selectors
import socket
import sys
import time

HOST = b"Host: gateway\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
SMALL_BUFFER = 4096
PIECE = 128 * 1024
FAST = "fast streams"
# Of what is slow to read, each connection sends so many bytes: more than a gateway takes at once, and in all
# more than it reads in the time. The rest would only put off the end.
ENOUGH = {
    "chunks that nobody reads": 300_000,
    "trailers without end": 300_000,
    "tiny chunks without a token": 300_000,
    "chunks that look like ends": 300_000,
    "extensions of a chunk": 500_000,
    "tiny chunks": 2_000_000,
}


def with_token(token: str, body: bytes, length: int) -> bytes:
    """A chat whose answer never begins. Its model has a provider of its own: others don't wait for that."""
    return (
        POST + b"Authorization: Bearer " + token.encode() + b"\r\nx-simulate: hang=headers\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length + body
    )


def flood(kind: str, token: str) -> tuple[bytes, bytes]:
    """Return what each connection sends first, and what it sends again and again after that."""
    if kind == "pipelined pages":
        return b"", (b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n") * 2000
    if kind == "pipelined refusals":
        return b"", (POST + b"Content-Length: 2\r\n\r\n{}") * 1500
    if kind == "pipelined upgrades":
        return b"", (
            POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \xff\r\n"
            b"Content-Length: 2\r\n\r\n{}"
        ) * 1000
    if kind == "pipelined empty lines":
        return b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n", b"\r\n" * 60_000
    if kind == "heads that do not end":
        return b"GET / HTTP/1.1\r\n" + HOST + b"a: " + b"x" * 255_000, b""
    if kind == "many small headers":
        return b"GET / HTTP/1.1\r\n" + HOST + b"a: b\r\n" * 42_000, b""
    if kind == "heads of tiny headers":
        return b"", b"GET / HTTP/1.1\r\n" + HOST + b"a:\r\n" * 60_000 + b"\r\n"
    if kind == "chunks that nobody reads":
        return b"GET /health HTTP/1.1\r\n" + HOST + CHUNKED, b"4\r\n\r\n\r\n\r\n" * 10_000
    if kind == "trailers without end":
        return POST + CHUNKED + b"0\r\n", b"a:\r\n" * 20_000
    if kind == "bodies without a token":
        return POST + b"Content-Length: 60000000\r\n\r\n", b"x" * PIECE
    if kind == "tiny chunks without a token":
        return POST + CHUNKED, b"1\r\nx\r\n" * 20_000
    if kind == "chunks that look like ends":
        return POST + CHUNKED, b"4\r\n\r\n\r\n\r\n" * 10_000
    if kind == "extensions of a chunk":
        return POST + CHUNKED + b"1;", b"a=b;" * 30_000
    if kind == "boundaries without end":
        return (
            POST + b"Content-Type: multipart/form-data; boundary=" + b"b" * 60_000 + b"\r\n"
            b"Content-Length: 60000000\r\n\r\n",
            b"--" + b"b" * PIECE,
        )
    if kind == "nothing":
        return b"", b""
    if kind == "large bodies":
        return with_token(token, b'{"model":"busy","messages":"', 60_000_000), b"x" * PIECE
    if kind == "tiny chunks":
        chat = with_token(token, b"", 0)
        return chat.replace(b"Content-Length: 0\r\n\r\n", CHUNKED), b"1\r\n \r\n" * 20_000
    if kind == "many bodies":
        body = b'{"model":"busy","messages":[{"role":"user","content":"%b"}]}' % (b"x" * 500_000)
        return with_token(token, body, len(body)), b""
    if kind == "lists in bodies":  # the model is behind them
        body = b'{"messages":[%b[]],"model":"busy"}' % (b"[]," * 22_000_000)
        return with_token(token, body, len(body)), b""
    if kind == "escapes in bodies":
        body = b'{"messages":"%b","model":"busy"}' % (b'\\"' * 33_000_000)
        return with_token(token, body, len(body)), b""
    if kind == "pipelined chats":
        body = b'{"model":"busy","messages":[{"role":"user","content":"hi"}]}'
        chat = with_token(token, body, len(body)).replace(b"hang=headers", b"events=5000")
        return b"", chat * 200
    if kind == FAST:
        body = b'{"model":"busy","stream":true,"messages":[{"role":"user","content":"hi"}]}'
        return with_token(token, body, len(body)).replace(b"hang=headers", b"events=1000000"), b""
    if kind == "streamed bodies":  # which are changed: the usage is asked for
        body = b'{"model":"busy","stream":true,"messages":"%b"}' % (b"x" * 600_000)
        return with_token(token, body, len(body)), b""
    if kind == "forms of many parts":
        part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n%b\r\n' % (b"[[]," * 2_000)
        body = part * 990 + b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nbusy\r\n--x--\r\n'
        chat = with_token(token, body, len(body)).replace(b"chat/completions", b"audio/transcriptions")
        return chat.replace(b"application/json", b"multipart/form-data; boundary=x"), b""
    raise SystemExit(f"no such flood: {kind}")


def main(kind: str, connections: int, seconds: float, address: str, token: str) -> None:
    """Connect, and send until the time is over."""
    host, port = address.rsplit(":", 1)
    first, following = flood(kind, token)
    if kind in ENOUGH:
        first, following = first + following * (ENOUGH[kind] // len(following) + 1), b""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        line.connect((host, int(port)))
        line.setblocking(False)
        if kind == FAST:
            line.sendall(first)
            selector.register(line, selectors.EVENT_READ)
            continue
        selector.register(line, selectors.EVENT_WRITE, memoryview(first or following))
        send(selector, line, memoryview(first or following), following)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for key, _ in selector.select(0.05):
            assert isinstance(key.fileobj, socket.socket)
            if kind == FAST:
                take(selector, key.fileobj)
                continue
            send(selector, key.fileobj, key.data, following)


def take(selector: selectors.DefaultSelector, line: socket.socket) -> None:
    """Read what is there."""
    with contextlib.suppress(BlockingIOError, ConnectionResetError):
        if line.recv(PIECE):
            return
    selector.unregister(line)


def send(
    selector: selectors.DefaultSelector, line: socket.socket, left: memoryview, following: bytes
) -> None:
    """Send as much as the kernel takes at once."""
    try:
        while left:
            left = left[line.send(left) :] or memoryview(following)
    except BlockingIOError:
        selector.modify(line, selectors.EVENT_WRITE, left)
    except OSError:  # the gateway has closed it
        selector.unregister(line)
    else:
        selector.unregister(line)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], sys.argv[5])
