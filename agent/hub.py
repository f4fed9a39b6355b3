"""The Hugging Face hub: which files a repository holds, and their bytes from any place on.

`huggingface_hub` knows names, tokens, mirrors (HF_ENDPOINT) and the hub's errors. The bytes are read here, because it
begins a file anew in each process, and a file has gigabytes (docs/decisions/0010-pull.md).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import HfApi, constants, get_session, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]  # loaded lazily

from ostinato import __version__
from ostinato.agent.exit_codes import CommandError, ExitCode

_SECONDS = 30  # without a byte, after which a connection counts as lost
_PARTIAL_CONTENT = 206
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # worth another try
_TOKEN = "set HF_TOKEN to a token of yours that may read it (https://huggingface.co/settings/tokens)"


class ConnectionLost(Exception):  # noqa: N818  (states a condition)
    """The hub could not be reached, or stopped sending; another try may go better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file of a repository. Large files have a `sha256`, the others the `git_sha1` that git knows them by."""

    path: str
    size: int
    sha256: str | None
    git_sha1: str

    @property
    def name(self) -> str:
        """The name without folders."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The files of a repository at a revision, by their paths."""

    repository: str
    revision: str
    files: Mapping[str, HubFile]


def host() -> str:
    """Return the host of the hub in use."""
    return urlsplit(constants.ENDPOINT).netloc


def listing(repository: str, revision: str | None) -> Listing:
    """Ask which files a repository holds; `revision` None is the newest.

    Raises:
        CommandError: if the hub cannot be reached, or does not give it.
    """
    with _explained(repository, revision):
        found = HfApi(library_name="ostinato", library_version=__version__).model_info(
            repository, revision=revision, files_metadata=True, timeout=_SECONDS
        )
    files = [
        HubFile(
            path=each.rfilename,
            size=each.size or 0,
            sha256=each.lfs.sha256 if each.lfs else None,
            git_sha1=each.blob_id or "",
        )
        for each in found.siblings or ()
    ]
    return Listing(repository=repository, revision=found.sha or "", files={file.path: file for file in files})


@contextmanager
def opened(listing: Listing, file: HubFile, begin: int) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Open a file from byte `begin` on; yield the byte at which the hub does begin, and the bytes.

    Raises:
        ConnectionLost: if the connection fails, also while the bytes are read.
        CommandError: if the hub does not give the file.
    """
    url = hf_hub_url(listing.repository, file.path, revision=listing.revision)
    headers = build_hf_headers(library_name="ostinato", library_version=__version__)
    headers |= {"accept-encoding": "identity"} | ({"range": f"bytes={begin}-"} if begin else {})
    with (
        _explained(listing.repository, listing.revision, is_passing_lost=True),
        get_session().stream("GET", url, headers=headers, timeout=_SECONDS, follow_redirects=True) as response,
    ):
        hf_raise_for_status(response)
        yield (begin if response.status_code == _PARTIAL_CONTENT else 0), response.iter_bytes()


def cached(listing: Listing, file: HubFile) -> Path | None:
    """Return where other programs have put the same file already, if they have."""
    found = try_to_load_from_cache(listing.repository, file.path, revision=listing.revision)
    return Path(found) if isinstance(found, str) else None


@contextmanager
def _explained(repository: str, revision: str | None, *, is_passing_lost: bool = False) -> Iterator[None]:
    """Turn what the hub and the network raise into one line for the user."""
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise _failed("HF_HUB_OFFLINE is set, so nothing is fetched; unset it") from error
    except HFValidationError as error:
        message = f"{repository!r} is no name of a repository; give OWNER/NAME, such as openai/gpt-oss-20b"
        raise CommandError(message, code=ExitCode.USAGE) from error
    except GatedRepoError as error:
        raise _failed(f"{repository} is given only to those who ask: ask on its page, then {_TOKEN}") from error
    except RepositoryNotFoundError as error:
        raise _failed(f"{host()} has no repository {repository!r}, or it is private: {_TOKEN}") from error
    except RevisionNotFoundError as error:
        raise _failed(f"{repository} has no revision {revision!r}; leave it out for the newest") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if is_passing_lost and status in _PASSING:
            raise ConnectionLost(f"{host()} answered {status}") from error
        if status in (401, 403):
            raise _failed(f"{host()} does not let you read {repository} ({status}); {_TOKEN}") from error
        raise _failed(f"{host()} answered {status} for {repository}; try again later") from error
    except httpx2.HTTPError as error:
        reason = str(error) or type(error).__name__
        if is_passing_lost:
            raise ConnectionLost(reason) from error
        raise _failed(f"cannot reach {host()} ({reason}); check the network, then try again") from error


def _failed(message: str) -> CommandError:
    return CommandError(message, code=ExitCode.FAILED)
