"""`ostinato pull`, as a process, from a hub on the loopback that speaks the real one's protocol."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.agent.hub_server import Hub, Repository, serving

from ostinato.engine.manifest import Manifest
from ostinato.engine.nano import folder as nano_folder

NAME = "openai/gpt-oss-20b"
WEIGHTS = "model.safetensors"
SECONDS = 60
OTHERS = {
    "README.md": b"Read me.",
    "tokenizer.json": b"{}",
    "metal/model.bin": b"metal",
    "original/config.json": b"{}",
    "original/model.safetensors": b"the same in another layout",
}


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Pull = Callable[..., Ended]
Start = Callable[..., "subprocess.Popen[bytes]"]


def nano_files() -> dict[str, bytes]:
    files = {name: (nano_folder() / name).read_bytes() for name in ("config.json", WEIGHTS, "vocabulary.json")}
    return files | {"LICENSE": b"Apache"}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub(repositories={NAME: Repository(nano_files() | OTHERS)})) as hub:
        yield hub


@pytest.fixture
def reach(hub: Hub, environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose hub is ours."""
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "NO_PROXY": "*"}
    return environment


@pytest.fixture
def folder(environment: dict[str, str]) -> Path:
    return Path(environment["OSTINATO_HOME"]) / "models" / NAME


@pytest.fixture
def pull(start: Start, reach: dict[str, str]) -> Pull:
    def to_the_end(*arguments: str) -> Ended:
        process = start(*(arguments or ("pull", "gpt-oss-20b")))
        out, err = process.communicate(timeout=SECONDS)
        return Ended(process.returncode, out.decode(), err.decode())

    return to_the_end


def partial(folder: Path, content: bytes) -> Path:
    return folder / f"{WEIGHTS}.{hashlib.sha256(content).hexdigest()[:12]}.partial"


def test_what_a_model_needs_is_fetched_and_verified_and_it_runs(pull: Pull, hub: Hub, folder: Path) -> None:
    ended = pull()

    assert (ended.code, ended.out) == (0, f"{folder}\n")
    assert f"{NAME} at {'a' * 12}: 1.9 MB, verified" in ended.err
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."} == nano_files() | {
        "manifest.json": (folder / "manifest.json").read_bytes()
    }
    manifest = Manifest.read(folder)
    assert manifest is not None
    assert (manifest.repository, manifest.revision, manifest.is_complete) == (NAME, "a" * 40, True)
    assert manifest.files[WEIGHTS].sha256 == hashlib.sha256(nano_files()[WEIGHTS]).hexdigest()
    for name in ("gpt-oss-20b", NAME):
        ran = pull("run", "What is 2 + 3?", "--no-python", "--quiet", "--max-tokens", "4", "--model", name)
        assert ran.code in (0, 54), ran.err


def test_a_model_that_is_here_is_not_fetched_again(pull: Pull, hub: Hub, folder: Path) -> None:
    pull()
    hub.requests.clear()

    ended = pull()

    assert (ended.code, ended.out) == (0, f"{folder}\n")
    assert [request.path for request in hub.requests if "resolve" in request.path] == []


def test_a_file_that_was_shortened_is_fetched_again(pull: Pull, folder: Path) -> None:
    pull()
    (folder / WEIGHTS).write_bytes(b"short")

    assert pull().code == 0
    assert (folder / WEIGHTS).read_bytes() == nano_files()[WEIGHTS]


def test_a_cut_connection_is_gone_on_from(pull: Pull, hub: Hub, folder: Path) -> None:
    hub.cuts = [100_000, 0, 300_000]

    ended = pull()

    assert ended.code == 0
    assert (folder / WEIGHTS).read_bytes() == nano_files()[WEIGHTS]
    asked = [request.headers.get("range") for request in hub.asked(WEIGHTS)]
    assert asked == [None, "bytes=100000-", "bytes=100000-", "bytes=400000-"]


def test_a_store_that_is_busy_is_asked_again(pull: Pull, hub: Hub) -> None:
    hub.statuses = [503]

    assert pull().code == 0
    assert len(hub.asked(WEIGHTS)) == 2


def test_a_store_that_knows_no_ranges_is_read_from_the_beginning(pull: Pull, hub: Hub, folder: Path) -> None:
    hub.cuts, hub.ignores_ranges = [100_000], True

    assert pull().code == 0
    assert (folder / WEIGHTS).read_bytes() == nano_files()[WEIGHTS]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_pull_is_gone_on_from(
    start: Start, pull: Pull, hub: Hub, folder: Path, number: signal.Signals
) -> None:
    hub.cuts = [500_000]
    hub.go_on.clear()
    process = start("pull", "gpt-oss-20b")
    grown(partial(folder, nano_files()[WEIGHTS]), 500_000)

    process.send_signal(number)
    _, err = process.communicate(timeout=SECONDS)
    hub.go_on.set()

    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert err.decode().endswith("ostinato: interrupted; the same command goes on from here\n")
    ran = pull("run", "x", "--model", NAME)
    assert (
        "only a part of openai/gpt-oss-20b is here; fetch the rest with `ostinato pull openai/gpt-oss-20b`" in ran.err
    )
    ended = pull()
    assert ended.code == 0
    assert "1.9 MB of weights, 500.0 kB of it is here" in ended.err
    assert hub.asked(WEIGHTS)[-1].headers["range"] == "bytes=500000-"
    assert (folder / WEIGHTS).read_bytes() == nano_files()[WEIGHTS]


def test_a_hub_that_sends_nothing_is_given_up_in_one_line(hub: Hub, reach: dict[str, str], folder: Path) -> None:
    hub.cuts = [1000, *[0] * 10]
    program = (
        "import sys\nfrom pathlib import Path\nfrom rich.console import Console\n"
        "from ostinato.agent.pull import pull\nfrom ostinato.agent.pull_command import Shown\n"
        "from ostinato.agent.exit_codes import CommandError\n"
        "try:\n    pull(sys.argv[1], None, Path(sys.argv[2]), Shown(Console(stderr=True)), pauses=(0, 0, 0))\n"
        "except CommandError as error:\n    print(error)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, NAME, folder], env=reach, capture_output=True, timeout=SECONDS, check=True
    )

    assert ended.stdout.decode().startswith(f"{hub.url.removeprefix('http://')} does not send {WEIGHTS} (")
    assert ended.stdout.decode().endswith("); check the network; the same command goes on from here\n")
    assert len(hub.asked(WEIGHTS)) == 5  # one with bytes, one after it, three pauses
    assert partial(folder, nano_files()[WEIGHTS]).stat().st_size == 1000


def test_wrong_bytes_are_never_taken_for_the_model(pull: Pull, hub: Hub, folder: Path) -> None:
    hub.falsified = {WEIGHTS}

    ended = pull()

    assert (ended.code, ended.out) == (1, "")
    assert f"sends {WEIGHTS} with other bytes than it promises; try again later" in ended.err
    assert not (folder / WEIGHTS).exists()
    hub.falsified.clear()
    assert pull().code == 0


def test_a_part_that_is_wrong_is_fetched_anew(pull: Pull, hub: Hub, folder: Path) -> None:
    content = nano_files()[WEIGHTS]
    folder.mkdir(parents=True)
    partial(folder, content).write_bytes(b"x" * (len(content) - 10))

    assert pull().code == 0
    assert (folder / WEIGHTS).read_bytes() == content
    assert [request.headers.get("range") for request in hub.asked(WEIGHTS)] == [f"bytes={len(content) - 10}-", None]


def test_a_newer_revision_replaces_what_changed_only(pull: Pull, hub: Hub, folder: Path) -> None:
    files = nano_files()
    shards = {"model-1.safetensors": b"one" * 50, "model-2.safetensors": b"two" * 50}
    index = {"weight_map": {name: name for name in shards}}
    hub.repositories[NAME] = Repository({**files, **shards, "model.safetensors.index.json": json.dumps(index).encode()})
    pull()
    assert not (folder / WEIGHTS).exists(), "the index does not name it"
    shards["model-2.safetensors"] = b"new" * 60
    del index["weight_map"]["model-1.safetensors"]
    index["weight_map"]["a"] = "model-3.safetensors"
    newer = {
        **files,
        **shards,
        "model-3.safetensors": b"three",
        "model.safetensors.index.json": json.dumps(index).encode(),
    }
    hub.repositories[NAME] = Repository(newer, revision="b" * 40)
    hub.requests.clear()

    assert pull().code == 0

    here = {path.name for path in folder.glob("*.safetensors")}
    assert here == {"model-2.safetensors", "model-3.safetensors"}
    assert (folder / "model-2.safetensors").read_bytes() == b"new" * 60
    assert hub.asked("model-1.safetensors") == []


def test_the_original_layout_is_taken_where_there_is_no_other(pull: Pull, hub: Hub, folder: Path) -> None:
    files = {f"original/{name}": content for name, content in nano_files().items() if name != "LICENSE"}
    hub.repositories["someone/fine.tuned"] = Repository(files | {"LICENSE": b"MIT"})

    ended = pull("pull", "someone/fine.tuned", "--to", str(folder))

    assert ended.code == 0
    assert {path.name for path in folder.iterdir()} >= {"config.json", WEIGHTS, "LICENSE"}


def test_what_another_program_fetched_is_used(pull: Pull, hub: Hub, folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "hf/hub/models--openai--gpt-oss-20b"
    blob, name = cache / "blobs/some", cache / f"snapshots/{'a' * 40}/{WEIGHTS}"
    for path in (blob, name):
        path.parent.mkdir(parents=True)
    blob.write_bytes(nano_files()[WEIGHTS])
    name.symlink_to(blob)

    assert pull().code == 0
    assert hub.asked(WEIGHTS) == []
    assert (folder / WEIGHTS).stat().st_ino == blob.stat().st_ino


def test_a_token_opens_what_is_gated_and_is_told_to_the_hub_alone(pull: Pull, hub: Hub, reach: dict[str, str]) -> None:
    hub.repositories[NAME].token = "hf_secret"
    refused = pull()
    reach["HF_TOKEN"] = "hf_secret"

    assert refused.code == 1
    assert f"{NAME} is given only to those who ask: ask on its page, then set HF_TOKEN" in refused.err
    assert pull().code == 0
    assert all("authorization" not in request.headers for request in hub.requests if request.host == "store")


@pytest.mark.parametrize(
    ("arguments", "refusal", "code", "line"),
    [
        (["openai/gpt-oss-9b"], None, 1, "has no repository 'openai/gpt-oss-9b', or it is private: set HF_TOKEN"),
        ([NAME, "--revision", "none"], None, 1, f"{NAME} has no revision 'none'; leave it out for the newest"),
        ([NAME], (401, ""), 1, f"does not let you read {NAME} (401); set HF_TOKEN"),
        ([NAME], (403, ""), 1, f"does not let you read {NAME} (403); set HF_TOKEN"),
        ([NAME], (500, ""), 1, f"answered 500 for {NAME}; try again later"),
        (["a b"], None, 2, "'a b' is no name of a repository; give OWNER/NAME, such as openai/gpt-oss-20b"),
        (["../x"], None, 2, "'../x' is no name of a repository"),
        (["a/b--c"], None, 2, "'a/b--c' is no name of a repository"),
    ],
)
def test_what_the_hub_does_not_give_is_told_in_one_line(
    pull: Pull, hub: Hub, arguments: list[str], refusal: tuple[int, str] | None, code: int, line: str
) -> None:
    hub.repositories[NAME].refusal = refusal

    ended = pull("pull", *arguments)

    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("ostinato: ")
    assert line in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot reach 127.0.0.1:9 ("),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set, so nothing is fetched; unset it"),
    ],
)
def test_without_a_network_one_line_says_so(
    pull: Pull, reach: dict[str, str], setting: dict[str, str], line: str
) -> None:
    reach |= setting

    ended = pull()

    assert ended.code == 1
    assert line in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"model.gguf": b"x"}, "holds no gpt-oss weights (config.json beside *.safetensors); it has model.gguf"),
        (
            {"config.json": b'{"model_type": "llama"}', WEIGHTS: b"x"},
            "model_type is 'llama'; only 'gpt_oss' can be run",
        ),
        (
            nano_files() | {"model.safetensors.index.json": b'{"weight_map": {"a": "b.safetensors"}}'},
            "holds no 'b.safetensors', which its index names",
        ),
        (nano_files() | {"model.safetensors.index.json": b"[]"}, "model.safetensors.index.json is no index"),
    ],
)
def test_a_repository_of_something_else_is_refused_before_its_weights_are_fetched(
    pull: Pull, hub: Hub, files: dict[str, bytes], line: str
) -> None:
    hub.repositories[NAME] = Repository(files)

    ended = pull()

    assert ended.code == 1
    assert line in ended.err
    assert ended.err.count("\n") == 1
    assert hub.asked("") == []


def test_a_disk_without_room_is_told_before_anything_is_fetched(pull: Pull, hub: Hub, folder: Path) -> None:
    hub.repositories[NAME].sizes[WEIGHTS] = 10**15

    ended = pull()

    assert ended.code == 1
    assert f"1000000.0 GB are still to come and {folder} has " in ended.err
    assert "make room, or give a folder on another disk with --to" in ended.err
    assert hub.asked(WEIGHTS) == []


@pytest.mark.skipif(sys.platform != "linux", reason="no /dev/full")
def test_a_disk_that_becomes_full_is_told_in_one_line(pull: Pull, folder: Path) -> None:
    folder.mkdir(parents=True)
    partial(folder, nano_files()[WEIGHTS]).symlink_to("/dev/full")

    ended = pull()

    assert ended.code == 1
    assert f"the disk of {folder} is full; make room, and the same command goes on from here" in ended.err


def test_a_folder_that_cannot_be_written_is_told_in_one_line(pull: Pull, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    ended = pull("pull", NAME, "--to", str(tmp_path / "file/folder"))

    assert ended.code == 1
    assert "(Not a directory); give another folder with --to" in ended.err


def test_two_pulls_do_not_write_the_same_files(start: Start, pull: Pull, hub: Hub, folder: Path) -> None:
    hub.cuts = [1000]
    hub.go_on.clear()
    first = start("pull", NAME)
    grown(partial(folder, nano_files()[WEIGHTS]), 1000)

    second = pull()
    hub.go_on.set()

    assert second.code == 1
    assert f"another pull is at work in {folder}; let it finish" in second.err
    assert first.wait(timeout=SECONDS) == 0


def test_a_model_that_was_not_pulled_is_answered_with_the_command(pull: Pull) -> None:
    for name in ("gpt-oss-120b", "openai/gpt-oss-20b"):
        ended = pull("run", "x", "--no-python", "--model", name)
        assert ended.code == 2
        assert f"no model named '{name}' is here; fetch it with `ostinato pull {name}`" in ended.err


def grown(path: Path, size: int) -> None:
    """Wait until a file has its size."""
    deadline = time.monotonic() + SECONDS
    while not (path.exists() and path.stat().st_size >= size):
        assert time.monotonic() < deadline, f"{path} does not grow"
