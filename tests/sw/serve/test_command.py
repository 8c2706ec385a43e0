"""``twofold serve``: options that are refused before anything listens."""

import argparse
import socket

import pytest

from twofold.hw.contract.errors import NetworkError, ToolError
from twofold.sw.cli.verbs import serve as cli
from twofold.sw.errors import InputError
from twofold.sw.serve.running import listening


def run(*options: object) -> int:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return cli.run(parser.parse_args([*map(str, options), "--device", "cpu"]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (("--host", "0.0.0.0"), InputError, r"open to others: set TWOFOLD_TOKEN"),
        (("--host", "::"), InputError, r"open to others"),
        (("gsc-slow", "--port", 0), NetworkError, "no network 'gsc-slow'"),
        (("tiny-fast", "tiny-fast", "--port", 0), InputError, "tiny-fast is served already"),
    ],
)
def test_bad_options(monkeypatch, options, error, message: str) -> None:
    monkeypatch.delenv(cli.TOKEN_VARIABLE, raising=False)
    with pytest.raises(error, match=message):
        run(*options)


def test_a_token_has_to_be_long(monkeypatch) -> None:
    for token in ("short", "é" * 20):
        monkeypatch.setenv(cli.TOKEN_VARIABLE, token)
        with pytest.raises(InputError, match="at least 16 ASCII characters"):
            run()


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ToolError, match=f"cannot listen on 127.0.0.1 port {port}"):
            listening("127.0.0.1", port)


def test_answers_do_not_wait_for_acknowledgements() -> None:
    with (
        listening("127.0.0.1", 0) as at,
        socket.create_connection(at.getsockname()) as _,
        at.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
