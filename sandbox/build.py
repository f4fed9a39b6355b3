"""The image of the Docker sandbox: found, or built from a registry's Python image or from Debian packages.

`python -m ostinato.sandbox.build [--packages]` builds it by hand. The tag carries a hash of the recipe, so a changed
recipe makes a new image.
"""

import argparse
import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, DockerException

from ostinato.sandbox.interface import SandboxUnavailable

REPOSITORY = "ostinato-sandbox"
FOLDER = Path(__file__).parent / "image"
RECIPES = ("python-packages", "debian-packages", "python", "debian")  # the first that is there is used
DEBIAN_SUITE = "bookworm"
DEBIAN_PYTHON = "3.11"
DEBIAN_PACKAGES = "base-files,libc-bin,python3-minimal,libpython3-stdlib,libstdc++6,libgcc-s1,tzdata"
SITE = f"/usr/local/lib/python{DEBIAN_PYTHON}/dist-packages"
MMDEBSTRAP = [
    "mmdebstrap",
    "--variant=extract",
    f"--include={DEBIAN_PACKAGES}",
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")),
    f'--extract-hook=mkdir -p "$1/mnt/data" "$1{SITE}"',
    '--extract-hook=find "$1" -xdev -type f -perm /6000 -exec chmod a-s {} +',
]
CHANGES = ["USER 65534:65534", "WORKDIR /mnt/data"]

Notice = Callable[[str], None]


def ensure_image(client: docker.DockerClient, *, on_notice: Notice = lambda _: None) -> str:
    """Return the tag of the sandbox's image on this engine, building it first if there is none.

    Raises:
        SandboxUnavailable: if it can be built in no way, with each way's reason.

    """
    present = {tag for image in client.api.images(name=REPOSITORY) for tag in image["RepoTags"] or ()}
    for tag in map(tag_of, RECIPES):
        if tag in present:
            return tag
    return build_image(client, on_notice=on_notice)


def build_image(client: docker.DockerClient, *, packages: bool = False, on_notice: Notice = lambda _: None) -> str:
    """Build the image and return its tag; with `packages`, numpy and its companions are in it.

    Raises:
        SandboxUnavailable: if neither a registry nor Debian's packages can be reached.

    """
    on_notice("building the sandbox image; this is done once")
    try:
        return _build_from_registry(client, packages=packages, on_notice=on_notice)
    except (BuildError, APIError) as error:
        reason = str(error).strip()
    on_notice(f"no Python image from a registry ({reason}); building from Debian packages instead")
    if shutil.which("mmdebstrap") is None:
        raise SandboxUnavailable(
            f"the sandbox image could not be built. From a registry: {reason}. From Debian packages:"
            " mmdebstrap is not installed (`apt-get install mmdebstrap`)"
        )
    return _build_from_debian(client, packages=packages)


def tag_of(recipe: str) -> str:
    """Return the tag of the image that one of `RECIPES` makes."""
    parts = [(FOLDER / name).read_text("utf-8") for name in ("Dockerfile", "requirements.txt")]
    if recipe.startswith("debian"):
        parts = [repr((MMDEBSTRAP, DEBIAN_SUITE, CHANGES)), parts[1] if recipe.endswith("packages") else ""]
    return f"{REPOSITORY}:{recipe}-{hashlib.sha256(''.join(parts).encode()).hexdigest()[:12]}"


def _build_from_registry(client: docker.DockerClient, *, packages: bool, on_notice: Notice) -> str:
    tag = tag_of("python-packages" if packages else "python")
    arguments = {"PACKAGES": "yes" if packages else "no"}
    for line in client.api.build(path=str(FOLDER), tag=tag, buildargs=arguments, rm=True, forcerm=True, decode=True):
        if "error" in line:
            raise BuildError(line["error"], iter(()))
        if step := str(line.get("stream", "")).strip():
            on_notice(step)
    return tag


def _build_from_debian(client: docker.DockerClient, *, packages: bool) -> str:
    tag = tag_of("debian-packages" if packages else "debian")
    with tempfile.TemporaryDirectory(prefix="ostinato-image-") as folder:
        root, site = Path(folder) / "root.tar", Path(folder) / "site"
        hooks = []
        if packages:
            _run(_pip_install(site))
            hooks.append(f'--extract-hook=cp -r {site}/. "$1{SITE}"')
            hooks.append(f'--extract-hook=chroot "$1" python3 -m compileall -q {SITE}')
        _run([*MMDEBSTRAP, *hooks, DEBIAN_SUITE, str(root)])
        repository, _, version = tag.partition(":")
        client.api.import_image_from_file(str(root), repository=repository, tag=version, changes=CHANGES)
    return tag


def _pip_install(target: Path) -> list[str]:
    """Return the command that fetches wheels for the Debian image's Python, whatever this one is."""
    machine = platform.machine()
    platforms = (f"--platform={name}_{machine}" for name in ("manylinux_2_28", "manylinux_2_17", "manylinux2014"))
    wheels = ["--only-binary=:all:", f"--python-version={DEBIAN_PYTHON}", "--implementation=cp", *platforms]
    options = ["--quiet", "--disable-pip-version-check", "--no-compile", f"--target={target}"]
    return [sys.executable, "-m", "pip", "install", *options, *wheels, "-r", str(FOLDER / "requirements.txt")]


def _run(command: list[str]) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise SandboxUnavailable(f"{command[0]} failed while building the image: {ended.stderr.strip()[-500:]}")


def main() -> None:
    """Build the image from the command line."""
    parser = argparse.ArgumentParser(description="Build the image of ostinato's Docker sandbox.")
    parser.add_argument("--packages", action="store_true", help="with numpy, pandas, matplotlib and companions")
    packages = parser.parse_args().packages
    try:
        tag = build_image(docker.from_env(), packages=packages, on_notice=_tell)
    except (SandboxUnavailable, DockerException) as error:
        sys.exit(f"error: {error}")
    _tell(tag)


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
