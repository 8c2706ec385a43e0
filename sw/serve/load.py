"""Load on a server: ``python -m twofold.sw.serve.load 127.0.0.1:8000 --streams 32``.

Live streams send noise at the pace of speech, or clients send a sample, one request behind the
other. Every window and every request has to be answered, once. Delays are those that a client sees:
from the sending of a window's last sample, or of a request, to the answer.
"""

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

import numpy as np
from websockets.asyncio.client import connect

from twofold.sw import ranges
from twofold.sw.data.audio import RATE
from twofold.sw.data.features import FRAMES, HOP, WINDOW

PIECE = 1024
"""Samples of a piece: 64 ms."""
NOISE = 0.05
"""Level of the sound, far above the silence gate."""


@dataclass
class Held:
    """What a load came to.

    Attributes
    ----------
    asked, answered: windows or requests.
    twice: of them, answered more than once.
    delays: seconds, of each answer.
    seconds: that it took.
    """

    asked: int = 0
    answered: int = 0
    twice: int = 0
    delays: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def tree(self) -> dict[str, float]:
        """Figures, as plain JSON values."""
        middle, high = np.percentile(self.delays or [0.0], (50, 99))
        return {
            "asked": self.asked, "answered": self.answered, "lost": self.asked - self.answered,
            "twice": self.twice, "a_second": round(self.answered / self.seconds, 1),
            "p50_ms": round(1000 * middle, 2), "p99_ms": round(1000 * high, 2),
        }  # fmt: skip


async def streams(address: str, model: str, count: int, seconds: float) -> Held:
    """``count`` live streams of ``seconds`` each."""
    held, begun = Held(), time.monotonic()
    sound = np.random.default_rng(0).normal(0, NOISE, round(seconds * RATE)).astype("<f4")
    await asyncio.gather(
        *(_stream(f"ws://{address}/live/{model}", sound, held, at / count) for at in range(count))
    )
    held.seconds = time.monotonic() - begun
    return held


async def _stream(url: str, sound: np.ndarray, held: Held, share: float) -> None:
    """``share``: of a piece, by which this stream is behind the first one."""
    async with connect(url, max_size=None) as socket:
        hop = json.loads(await socket.recv())["decision"]["hop"] * RATE // 1000
        sent: list[float] = []

        async def send() -> None:
            begun = time.monotonic() + share * PIECE / RATE
            for at in range(0, len(sound), PIECE):
                await asyncio.sleep(max(begun + at / RATE - time.monotonic(), 0))
                sent.append(time.monotonic())
                await socket.send(sound[at : at + PIECE].tobytes())
            await socket.send("end")

        sending, seen = asyncio.create_task(send()), set[int]()
        async for message in socket:
            now = time.monotonic()
            for window in json.loads(message).get("windows", []):
                index = window["index"]
                held.twice += index in seen
                seen.add(index)
                needed = index * hop + (FRAMES - 1) * HOP + WINDOW // 2
                if needed <= len(sound):  # later ones wait for the end
                    held.delays.append(now - sent[(needed - 1) // PIECE])
        await sending
        frames = -(-len(sound) // HOP)
        held.asked += max((frames - FRAMES) * HOP // hop + 1, 0)
        held.answered += len(seen)


async def requests(address: str, model: str, clients: int, seconds: float) -> Held:
    """``clients`` that send one request after the other."""
    held, begun = Held(), time.monotonic()
    await asyncio.gather(*(_client(address, model, begun + seconds, held) for _ in range(clients)))
    held.seconds = time.monotonic() - begun
    return held


async def _client(address: str, model: str, until: float, held: Held) -> None:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    path = f"/v2/models/{model}"
    shape = json.loads(await _asked(reader, writer, address, path))["inputs"][0]["shape"][1:]
    tensor = {"name": "input", "datatype": "UINT8", "shape": [1, *shape]}
    samples = np.random.default_rng(0).integers(0, 256, int(np.prod(shape))).tolist()
    while time.monotonic() < until:
        name = f"{id(writer)}-{held.asked}"
        body = json.dumps({"id": name, "inputs": [{**tensor, "data": samples}]}).encode()
        held.asked += 1
        sent = time.monotonic()
        answer = json.loads(await _asked(reader, writer, address, f"{path}/infer", body))
        held.delays.append(time.monotonic() - sent)
        held.answered += answer.get("id") == name and "outputs" in answer
    writer.close()


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, path: str,
    body: bytes = b"",
) -> bytes:  # fmt: skip
    """Body of the answer to a request."""
    method = "POST" if body else "GET"
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
    size = next(line.partition(":")[2] for line in lines if line.startswith("content-length:"))
    return await reader.readexactly(int(size))


def main(argv: list[str] | None = None) -> int:
    """Print one object; exit code 1 if an answer is lost or comes twice."""
    parser = argparse.ArgumentParser(prog="python -m twofold.sw.serve.load")
    parser.add_argument("address", help="of the server, as in 127.0.0.1:8000")
    parser.add_argument("--model", default="gsc-fast")
    count = ranges.whole(0, 100_000)
    parser.add_argument("--streams", type=count, default=0, help="live streams")
    parser.add_argument("--clients", type=count, default=0, help="clients that send requests")
    parser.add_argument("--seconds", type=ranges.SECONDS, default=20.0)
    args = parser.parse_args(argv)
    found: dict[str, dict[str, float]] = {}
    for name, make in (("streams", streams), ("clients", requests)):
        if count := getattr(args, name):
            held = asyncio.run(make(args.address, args.model, count, args.seconds))
            found[f"{count} {name}"] = held.tree()
    print(json.dumps(found, indent=1))
    return int(any(one["lost"] or one["twice"] for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
