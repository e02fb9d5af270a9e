"""A plain copy: one file over aiohttp with mutual TLS 1.3 into another process, no line of the product. What evidence is compared with.

    python bench/plain_copy.py [--size 4GiB | --file PATH] [--folder DIR]

The sender reads and sends, the recipient writes, calls fdatasync and answers; nothing is sealed, hashed, logged or kept at the sender.
The clock runs from the sender's call to the answer. Last line: one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import multiprocessing
import os
import re
import ssl
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PIECE = 1 << 20
BUFFER = 1 << 20


def _certificate(folder: Path, name: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(subject, subject, key.public_key()).serial_number(x509.random_serial_number())
    made = made.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + dt.timedelta(days=1))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.pem").write_bytes(certificate + private)
    (folder / f"{name}.crt").write_bytes(certificate)


def _context(purpose: int, folder: Path, name: str, other: str) -> ssl.SSLContext:
    context = ssl.SSLContext(purpose)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / f"{name}.pem")
    context.load_verify_locations(folder / f"{other}.crt")
    return context


def _recipient(folder: Path, told: multiprocessing.Queue) -> None:
    async def put(request: web.Request) -> web.Response:
        with (folder / "copy").open("wb", buffering=0) as file:
            async for piece in request.content.iter_any():
                file.write(piece)
            os.fdatasync(file.fileno())
        return web.Response(status=204)

    async def serve() -> None:
        app = web.Application()
        app.router.add_put("/", put)
        runner = web.AppRunner(app, access_log=None, read_bufsize=BUFFER)
        await runner.setup()
        context = _context(ssl.PROTOCOL_TLS_SERVER, folder, "recipient", "sender")
        server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0, ssl=context)
        told.put(server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    asyncio.run(serve())


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            yield piece


async def _send(path: Path, size: int, folder: Path, port: int) -> float:
    context = _context(ssl.PROTOCOL_TLS_CLIENT, folder, "sender", "recipient")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        url, length = f"https://127.0.0.1:{port}/", {"Content-Length": str(size)}
        started = time.perf_counter()
        async with session.put(url, data=_pieces(path), headers=length, ssl=context) as response:
            response.raise_for_status()
        return time.perf_counter() - started


def _sender(path: Path, folder: Path, port: int, told: multiprocessing.Queue) -> None:
    told.put(asyncio.run(_send(path, path.stat().st_size, folder, port)))


def copy(path: Path, folder: Path) -> float:
    """Seconds to copy this file through two processes. The copy is removed."""
    spawn = multiprocessing.get_context("spawn")
    for name in ("sender", "recipient"):
        _certificate(folder, name)
    told = spawn.Queue()
    recipient = spawn.Process(target=_recipient, args=(folder, told), daemon=True)
    recipient.start()
    sender = spawn.Process(target=_sender, args=(path, folder, told.get(timeout=60), told), daemon=True)
    try:
        sender.start()
        return told.get(timeout=3600)
    finally:
        for process in (sender, recipient):
            process.kill()
            process.join()
        (folder / "copy").unlink(missing_ok=True)


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)\s*([KMG]?)(?:iB|B)?", text)
    if found is None:
        raise argparse.ArgumentTypeError("a number of bytes: 512MiB, 4GiB")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2]]


def main() -> None:
    """Make a file when none is given, copy it, print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=_bytes, default="4GiB")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--folder", type=Path, help="where the copy goes: a folder of the disk that is measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plain-copy-", dir=options.folder) as name:
        path = options.file
        if path is None:
            path = Path(name) / "file"
            with path.open("wb") as file:
                for _ in range(options.size >> 20):
                    file.write(os.urandom(1 << 20))
                os.fsync(file.fileno())
        seconds = copy(path, Path(name))
        size = path.stat().st_size
    print(json.dumps({"seconds": round(seconds, 3), "bytes": size, "mib_per_second": round(size / seconds / (1 << 20), 1)}))


if __name__ == "__main__":
    main()
