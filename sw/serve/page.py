"""The page of a server: files beside this module, which need nothing from elsewhere."""

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response

FOLDER = Path(__file__).parent / "site"
KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
FILES = ("index.html", "page.css", "page.js", "drawing.js", "microphone.js", "icon.svg")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def add_page(app: FastAPI) -> None:
    """Answer ``/`` and the files that the page asks for. Nothing in them is secret."""
    for name in FILES:
        path = "/" if name == "index.html" else f"/{name}"
        app.add_api_route(path, _answering(name), methods=["GET", "HEAD"])


def _answering(name: str):
    content = (FOLDER / name).read_bytes()
    kind = f"{KINDS[Path(name).suffix]}; charset=utf-8"

    async def answer() -> Response:
        return Response(content, headers={**HEADERS, "Content-Type": kind})

    return answer
