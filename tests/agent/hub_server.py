"""A Hugging Face hub on the loopback: the same paths, redirects and headers, and whatever may go wrong on the way.

Large files are answered with a redirect to another host (here: another port), as the hub sends readers to where its
files are kept; that one takes ranges.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".bin")


@dataclass
class Repository:
    """What a repository holds, and the `sizes` it claims; `refusal` is a status and the hub's code, for an answer."""

    files: dict[str, bytes]
    revision: str = "a" * 40
    sizes: dict[str, int] = field(default_factory=dict)
    refusal: tuple[int, str] | None = None
    token: str | None = None


@dataclass
class Request:
    host: str
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Hub:
    """The repositories, what was asked for, and what goes wrong: `cuts` end the store's answers after some bytes."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    falsified: set[str] = field(default_factory=set)
    ignores_ranges: bool = False
    on_bytes: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    store_url: str = ""

    def asked(self, path: str) -> list[Request]:
        """Return the requests for a path of the store."""
        return [request for request in self.requests if request.host == "store" and request.path.endswith(path)]


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve on two ports of the loopback."""
    hub.go_on.set()
    servers = [
        ThreadingHTTPServer(("127.0.0.1", 0), type(name, (handler,), {"hub": hub}))
        for name, handler in (("Api", _Api), ("Store", _Store))
    ]
    hub.url, hub.store_url = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    host = ""

    def log_message(self, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(
            Request(self.host, self.command, path, {name.lower(): value for name, value in self.headers.items()})
        )
        self.answer(path)

    def answer(self, path: str) -> None:
        raise NotImplementedError

    def reply(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class _Api(_Handler):
    host = "hub"

    def answer(self, path: str) -> None:
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self.tell(self.found("/".join(parts[2:4])), parts[2:])
        elif parts[:1] == ["api"]:
            self.reply(404)  # what huggingface_hub asks besides
        else:
            owner, name, _, revision, *rest = parts
            self.resolve(self.found(f"{owner}/{name}"), revision, "/".join(rest))

    def found(self, name: str) -> Repository | None:
        repository = self.hub.repositories.get(name)
        if repository is None:
            self.reply(404, b'{"error":"Repository not found"}', X_Error_Code="RepoNotFound")
            return None
        if repository.refusal:
            status, code = repository.refusal
            self.reply(status, b'{"error":"no"}', **({"X_Error_Code": code} if code else {}))
            return None
        if repository.token and self.headers.get("Authorization") != f"Bearer {repository.token}":
            self.reply(401, b'{"error":"restricted"}', X_Error_Code="GatedRepo")
            return None
        return repository

    def tell(self, repository: Repository | None, parts: list[str]) -> None:
        if repository is None:
            return
        if parts[2:3] == ["revision"] and parts[3] not in ("main", repository.revision):
            self.reply(404, b'{"error":"Invalid rev id"}', X_Error_Code="RevisionNotFound")
            return
        assert parse_qs(urlsplit(self.path).query)["blobs"] == ["true"]
        siblings = [
            described(path, content, repository.sizes.get(path, len(content)))
            for path, content in repository.files.items()
        ]
        found = {"id": "/".join(parts[:2]), "sha": repository.revision, "siblings": siblings}
        self.reply(200, json.dumps(found).encode(), Content_Type="application/json")

    def resolve(self, repository: Repository | None, revision: str, path: str) -> None:
        if repository is None:
            return
        assert revision == repository.revision
        content = repository.files[path]
        if not path.endswith(LARGE):
            self.reply(200, content, ETag=f'"{git_sha1(content)}"', X_Repo_Commit=revision)
            return
        sha256 = hashlib.sha256(content).hexdigest()
        self.reply(
            302,
            Location=f"{self.hub.store_url}/{sha256}/{path}",
            X_Repo_Commit=revision,
            X_Linked_Size=str(len(content)),
            X_Linked_ETag=f'"{sha256}"',
        )


class _Store(_Handler):
    host = "store"

    def answer(self, path: str) -> None:
        sha256, name = path.strip("/").split("/", 1)
        every = [content for repository in self.hub.repositories.values() for content in repository.files.values()]
        content = next(content for content in every if hashlib.sha256(content).hexdigest() == sha256)
        if self.hub.statuses:
            self.reply(self.hub.statuses.pop(0))
            return
        if name in self.hub.falsified:
            content = bytes(byte ^ 1 for byte in content)
        begin = self.begin()
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        cut = self.hub.cuts.pop(0) if self.hub.cuts else None
        self.wfile.write(content[begin:][:cut])
        if cut is not None:
            self.wfile.flush()
            self.hub.on_bytes.set()
            self.hub.go_on.wait()
            self.close_connection = True

    def begin(self) -> int:
        span = self.headers.get("Range")
        if span is None or self.hub.ignores_ranges:
            return 0
        return int(span.removeprefix("bytes=").removesuffix("-"))


def described(path: str, content: bytes, size: int) -> dict[str, object]:
    """Describe a file as the hub's API does."""
    sibling: dict[str, object] = {"rfilename": path, "size": size, "blobId": git_sha1(content)}
    if path.endswith(LARGE):
        sha256 = hashlib.sha256(content).hexdigest()
        sibling["lfs"] = {"sha256": sha256, "size": size, "pointerSize": 134}
    return sibling


def git_sha1(content: bytes) -> str:
    """Return git's name of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
