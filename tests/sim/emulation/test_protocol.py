"""Calls of hardware emulation: round trips, noise, and hosts that go away."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.sim.emulation.protocol import (
    PAYLOAD_MAX,
    ProtocolError,
    call,
    decode,
    encode,
    receive,
    reply,
)

FIELDS = st.dictionaries(
    st.integers(1, 1 << 20), st.integers(0, (1 << 64) - 1) | st.binary(max_size=300), max_size=8
)


@given(FIELDS)
def test_payloads_come_back(fields):
    assert decode(memoryview(encode(fields))) == fields


@given(st.binary(max_size=100))
def test_noise_is_refused_or_read(noise):
    try:
        fields = decode(memoryview(noise))
    except ProtocolError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(number, int) for number in fields)


@given(st.integers(0, (1 << 32) - 1), FIELDS)
def test_calls_come_back_over_a_socket(api, fields):
    host, device = socket.socketpair()
    with host, device:
        host.sendall(call(api, fields))
        message = receive(device)
        assert message is not None
        assert (message.api, message.fields) == (api, fields)


def test_numbers_of_fixed_length_are_read():
    payload = b"\x09" + struct.pack("<Q", 1 << 40) + b"\x15" + struct.pack("<I", 7)
    assert decode(memoryview(payload)) == {1: 1 << 40, 2: 7}


def test_headers_are_those_of_the_runtime():
    assert call(11, {2: 300}) == bytes.fromhex("09 0300000000000000 15 0b000000 10 ac02")
    assert reply({1: 1}) == bytes.fromhex("09 0200000000000000 08 01")


@pytest.mark.parametrize("length", [0, 5, 14, 16])
def test_a_host_that_goes_is_no_error(length):
    host, device = socket.socketpair()
    with device:
        with host:
            host.sendall(call(6, {4: b"content"})[:length])
        assert receive(device) is None


@pytest.mark.parametrize(
    "content, message",
    [
        (b"\x00" * 14, "is no header"),
        (struct.pack("<BQBI", 9, PAYLOAD_MAX + 1, 21, 6), "at most"),
        (call(6, {})[:1] + struct.pack("<QBI", 2, 21, 6) + b"\x22\x09", "field 4 of type 2"),
        (call(6, {})[:1] + struct.pack("<QBI", 1, 21, 6) + b"\x80", "does not end"),
        (call(6, {})[:1] + struct.pack("<QBI", 1, 21, 6) + b"\x0b", "field 1 of type 3"),
    ],
)
def test_what_is_no_call_is_named(content, message):
    host, device = socket.socketpair()
    with host, device:
        host.sendall(content)
        with pytest.raises(ProtocolError, match=message):
            receive(device)
