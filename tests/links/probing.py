"""One end of a measured path, as a process of its own that can be put into a network namespace.

python -m tests.links.probing serve ADDRESS PORT TRANSFER_BYTES
python -m tests.links.probing probe ADDRESS PORT TRANSFER_BYTES      prints what was measured as JSON
"""

from __future__ import annotations

import asyncio
import json
import sys

import msgspec

from daemon.links import prober, server


async def main(what: str, address: str, port: int, transfer_bytes: int) -> None:
    if what == "probe":
        found = await prober.probe(address, port, transfer_bytes=transfer_bytes)
        print(json.dumps(msgspec.to_builtins(found)))  # noqa: T201 - the answer
        return
    endpoint = server.Server(transfer_bytes=transfer_bytes, bytes_per_hour=2**40, turn=asyncio.Lock())
    await endpoint.start(address, port)
    print("ready", flush=True)  # noqa: T201 - the sign that it can be asked
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
