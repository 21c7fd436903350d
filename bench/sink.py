"""An S3 store of `store.py`: takes every object, keeps none, checks nothing. In a process of its own.

Prints its port. It costs little, and what it costs is not the server's; signatures are made there all the same.
"""

from __future__ import annotations

import asyncio
import re

READ_BYTES = 1 << 18
HEAD_BYTES = 1 << 16


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: every request is well."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"100-continue" in head:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            left = int(found[1]) if found else 0
            while left:
                left -= len(await reader.read(min(left, READ_BYTES)))
                if reader.at_eof():
                    return
            body = b"<DeleteResult/>" if head.startswith(b"POST ") else b""
            writer.write(b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: %d\r\n\r\n' % len(body) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, OSError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serves until it is killed."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=HEAD_BYTES)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
