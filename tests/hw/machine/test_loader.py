# amaranth: UnusedElaboratable=no
"""ParameterLoader agrees with `twofold.hw.contract.parameters.unpack` on every image, and never
hangs.
"""

import random
import struct
import zlib
from collections.abc import Callable

import pytest

from twofold.hw.contract.errors import ParameterError
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.folding import Folding, GatherFolding, ScatterFolding, plans
from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network, Taps
from twofold.hw.contract.parameters import (
    HEADER_WORDS,
    LENGTH_MAX,
    ParameterStatus,
    Section,
    expected_sections,
    pack,
    unpack,
)
from twofold.hw.machine.loader import ParameterLoader
from twofold.sim.testbenches.simulation import simulate

NETWORK = Network(
    name="loader",
    input_shape=(1, 5, 5),
    layers=(
        Conv2d(out_channels=3, kernel=(2, 2), pool=2, sparsity=Taps((3, 2, 2)), multiplier=True),
        Linear(out_features=6, k=2, sparsity=Complementary(2)),
        Linear(out_features=3),
    ),
    labels=("a", "b", "c"),
)
FOLDING = Folding(
    (GatherFolding(), ScatterFolding(lanes=2, drain=2), ScatterFolding(lanes=3, drain=3)),
    input_bytes=5,
)
PLANS = plans(NETWORK, FOLDING)
FINGERPRINT = fingerprint(NETWORK, FOLDING)
RULES = {
    "shorter than a header": ParameterStatus.BAD_LENGTH,
    "does not start with the magic": ParameterStatus.BAD_MAGIC,
    "has format version": ParameterStatus.BAD_VERSION,
    "says it is": ParameterStatus.BAD_LENGTH,
    "is damaged": ParameterStatus.BAD_CRC,
    "was packed for machine": ParameterStatus.BAD_FINGERPRINT,
}
Write = tuple[int, int, int, int, int]
"""Stage, kind, lane, address, value."""


def _sections(rng: random.Random) -> list[Section]:
    """Random contents, both ends of every range included."""
    found: list[Section] = []
    for table, lane in expected_sections(PLANS):
        low, high = table.limits
        values = [rng.choice([low, high - 1, rng.randrange(low, high)]) for _ in range(table.depth)]
        found.append(Section(table, lane, values))
    return found


def _writes(sections: list[Section]) -> list[Write]:
    return [
        (section.table.stage, section.table.kind, section.lane, address, value)
        for section in sections
        for address, value in enumerate(section.values)
    ]


def _verdict(image: bytes) -> ParameterStatus:
    """What the contract says about an image."""
    try:
        unpack(image, PLANS, FINGERPRINT)
    except ParameterError as error:
        return next(
            (status for rule, status in RULES.items() if rule in str(error)),
            ParameterStatus.BAD_SECTION,
        )
    return ParameterStatus.OK


async def _send(ctx, dut: ParameterLoader, image: bytes, rng: random.Random, gap: float):
    """Send an image, with random gaps, and wait for the loader to finish."""
    words = struct.unpack(f"<{len(image) // 4}I", image)
    for at, word in enumerate(words):
        while rng.random() < gap:
            ctx.set(dut.i.payload.data, rng.getrandbits(32))
            await ctx.tick()
        ctx.set(dut.i.payload, {"data": word, "last": at == len(words) - 1})
        ctx.set(dut.i.valid, 1)
        for _ in range(8):
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            if ready:
                break
        else:
            pytest.fail("the loader back-pressures its sender")
        ctx.set(dut.i.valid, 0)
        assert ctx.get(dut.busy)
    for _ in range(8):
        if not ctx.get(dut.busy):
            break
        await ctx.tick()
    assert not ctx.get(dut.busy), "still busy"


def _load(images: list[bytes], gap: float = 0.0, seed: int = 1):
    """Status and writes of each image, sent one after the other into the same loader."""
    rng = random.Random(seed)
    dut = ParameterLoader(PLANS, FINGERPRINT)
    signed_tables = {
        (table.stage, table.kind): table.signed for plan in PLANS for table in _tables(plan)
    }
    writes: list[Write] = []
    found: list[tuple[ParameterStatus, list[Write]]] = []

    async def send(ctx):
        assert ctx.get(dut.status) == ParameterStatus.NONE and not ctx.get(dut.busy)
        for image in images:
            await _send(ctx, dut, image, rng, gap)
            found.append((ParameterStatus(ctx.get(dut.status)), list(writes)))
            writes.clear()
            if rng.random() < 0.5:
                await ctx.tick().repeat(rng.randint(1, 3))
                assert ctx.get(dut.status) == found[-1][0]

    async def watch(ctx):
        bus = dut.config
        ports = bus.valid, bus.stage, bus.kind, bus.lane, bus.address, bus.data
        async for _, _, valid, stage, kind, lane, address, value in ctx.tick().sample(*ports):
            if valid:
                negative = signed_tables[stage, kind] and value >> 31
                value -= negative << 32
                writes.append((stage, kind, lane, address, value))

    simulate(dut, send, background=(watch,))
    return found


def _tables(plan):
    return {table for table, _ in expected_sections([plan])}


def _image(seed: int = 1) -> bytes:
    return pack(_sections(random.Random(seed)), FINGERPRINT)


def _patched(image: bytes, words: dict[int, Callable[[int], int]]) -> bytes:
    """The image with some words changed and a checksum that fits."""
    found = list(struct.unpack(f"<{len(image) // 4}I", image))
    for at, change in words.items():
        found[at] = change(found[at]) & 0xFFFFFFFF
    content = struct.pack(f"<{len(found) - 1}I", *found[:-1])
    return content + struct.pack("<I", zlib.crc32(content))


def _resized(image: bytes, words: int, *, header: int | None = None) -> bytes:
    """The image cut or filled up with zeros to a number of words, with a checksum that fits."""
    content = image[:-4][: 4 * (words - 1)].ljust(4 * (words - 1), b"\0")
    if header is not None:
        content = content[:8] + struct.pack("<I", header) + content[12:]
    return content + struct.pack("<I", zlib.crc32(content))


def _section_words() -> list[int]:
    """Where in the image each section's header is, and where the padding begins."""
    found = [HEADER_WORDS]
    for table, _ in expected_sections(PLANS):
        found.append(found[-1] + 2 - (-table.depth * table.element_bits // 32))
    return found


@pytest.mark.parametrize("gap", [0.0, 0.5])
def test_good_images_one_after_the_other(gap: float) -> None:
    contents = [_sections(random.Random(seed)) for seed in range(4)]
    found = _load([pack(content, FINGERPRINT) for content in contents], gap)
    assert found == [(ParameterStatus.OK, _writes(content)) for content in contents]


def _bad_images() -> dict[str, tuple[bytes, ParameterStatus]]:
    good, at = _image(), _section_words()
    size = len(good) // 4
    status = ParameterStatus
    other = {word: lambda value: value ^ (1 << 31) for word in (4, 11)}
    return {
        "magic": (_patched(good, {0: lambda value: value + 1}), status.BAD_MAGIC),
        "version": (_patched(good, {1: lambda value: value + 1}), status.BAD_VERSION),
        "length": (_patched(good, {2: lambda value: value + 64}), status.BAD_LENGTH),
        "length odd": (_patched(good, {2: lambda value: value + 1}), status.BAD_LENGTH),
        "length huge": (_patched(good, {2: lambda _: 2 * LENGTH_MAX}), status.BAD_LENGTH),
        "length wraps": (_patched(good, {2: lambda value: value + (1 << 27)}), status.BAD_LENGTH),
        "one word": (good[:4], status.BAD_LENGTH),
        "twelve words": (good[:48], status.BAD_LENGTH),
        "not aligned": (_resized(good, size + 1, header=4 * size + 4), status.BAD_LENGTH),
        "truncated": (_resized(good, size - 16), status.BAD_LENGTH),
        "extended": (_resized(good, size + 16), status.BAD_LENGTH),
        "truncated throughout": (_resized(good, 16, header=64), status.BAD_SECTION),
        "extended throughout": (_resized(good, size + 16, header=4 * size + 64), status.OK),
        "checksum": (good[:-1] + bytes([good[-1] ^ 128]), status.BAD_CRC),
        "fingerprint first": (_patched(good, {4: other[4]}), status.BAD_FINGERPRINT),
        "fingerprint last": (_patched(good, {11: other[11]}), status.BAD_FINGERPRINT),
        "sections": (_patched(good, {3: lambda value: value + 1}), status.BAD_SECTION),
        "section header": (_patched(good, {at[1]: lambda value: value ^ 256}), status.BAD_SECTION),
        "section lane": (_patched(good, {at[5]: lambda value: value ^ 65536}), status.BAD_SECTION),
        "count": (_patched(good, {at[0] + 1: lambda value: value - 1}), status.BAD_SECTION),
        "count wraps": (
            _patched(good, {at[0] + 1: lambda value: value + 65536}),
            status.BAD_SECTION,
        ),
        "padding": (_patched(good, {at[-1]: lambda _: 1 << 30}), status.BAD_SECTION),
        "range": (_patched(good, {at[0] + 2: lambda _: 1 << 15}), status.BAD_SECTION),
        "everything": (b"\xff" * 4 * size, status.BAD_MAGIC),
    }


def test_every_kind_of_damage() -> None:
    """Each between good images, which show that nothing of it is left."""
    damaged = _bad_images()
    content = _sections(random.Random(9))
    images = [image for bad, _ in damaged.values() for image in (bad, pack(content, FINGERPRINT))]
    found = _load(images, gap=0.1)
    verdicts = dict(zip(damaged, (status for status, _ in found[::2]), strict=True))
    assert verdicts == {name: status for name, (_, status) in damaged.items()}
    assert verdicts == {name: _verdict(image) for name, (image, _) in damaged.items()}
    assert found[1::2] == [(ParameterStatus.OK, _writes(content))] * len(damaged)
    header = ("magic", "version", "fingerprint first", "fingerprint last", "sections", "length odd")
    written = dict(zip(damaged, (writes for _, writes in found[::2]), strict=True))
    assert not any(written[name] for name in header), "written after a bad header"


def test_nothing_is_written_after_a_bad_section() -> None:
    content, at = _sections(random.Random(1)), _section_words()
    good = pack(content, FINGERPRINT)
    images = [_patched(good, {word: lambda value: value ^ 1}) for word in at[:-1]]
    assert _load(images) == [
        (ParameterStatus.BAD_SECTION, _writes(content[:bad])) for bad in range(len(content))
    ]


def test_values_outside_their_range_are_not_written() -> None:
    content, at = _sections(random.Random(1)), _section_words()
    good = pack(content, FINGERPRINT)
    images: list[bytes] = []
    expected: list[tuple[ParameterStatus, list[Write]]] = []
    for bad, section in enumerate(content):
        low, high = section.table.limits
        if section.table.bits < section.table.element_bits:
            for value in (high, low - 1):
                images.append(_patched(good, {at[bad] + 2: lambda _, value=value: value}))
                expected.append((ParameterStatus.BAD_SECTION, _writes(content[:bad])))
    assert [_verdict(image) for image in images] == [status for status, _ in expected]
    assert _load(images) == expected


def test_random_damage() -> None:
    """Bits flipped, words cut off or added; half of the time with a checksum made to fit."""
    rng = random.Random(5)
    images: list[bytes] = []
    for _ in range(100):
        image = bytearray(_image(rng.randint(1, 5)))
        for _ in range(rng.randint(0, 2)):
            image[rng.randrange(len(image))] ^= 1 << rng.randrange(8)
        size = len(image) // 4 + rng.choice([0, 0, 0, -1, 1, -16, 16, -rng.randrange(60)])
        if rng.random() < 0.5:
            changed = bytes(image[: 4 * size].ljust(4 * size, b"\1"))
        else:
            changed = _resized(bytes(image), size, header=rng.choice([None, 4 * size]))
        images.append(changed)
    verdicts = [_verdict(image) for image in images]
    assert len(set(verdicts)) >= 5, "the damage is not varied enough to mean anything"
    assert [status for status, _ in _load(images, gap=0.1)] == verdicts


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="31 bytes, needs 32"):
        ParameterLoader(PLANS, bytes(31))
