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
DEBIAN_SUITE = "bookworm"
DEBIAN_PACKAGES = "base-files,libc-bin,python3-minimal,libpython3-stdlib,libstdc++6,libgcc-s1,tzdata"
MMDEBSTRAP = [
    "mmdebstrap",
    "--variant=extract",
    f"--include={DEBIAN_PACKAGES}",
    *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")),
    '--customize-hook=mkdir -p "$1/mnt/data"',
    '--customize-hook=find "$1" -xdev -type f -perm /6000 -exec chmod a-s {} +',
    DEBIAN_SUITE,
]
CHANGES = ["USER 65534:65534", "WORKDIR /mnt/data"]

Notice = Callable[[str], None]


def ensure_image(client: docker.DockerClient, *, on_notice: Notice = lambda _: None) -> str:
    """Return the tag of the sandbox's image on this engine, building it first if there is none.

    Raises:
        SandboxUnavailable: if it can be built in no way, with each way's reason.

    """
    present = {tag for image in client.api.images(name=REPOSITORY) for tag in image["RepoTags"] or ()}
    for tag in (tag_of("python-packages"), tag_of("python"), tag_of("debian")):
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
    if packages:
        raise SandboxUnavailable(f"the sandbox image with packages needs a registry and PyPI: {reason}")
    on_notice(f"no Python image from a registry ({reason}); building from Debian packages instead")
    return _build_from_debian(client, reason)


def tag_of(recipe: str) -> str:
    """Return the tag of the image that `recipe` makes: debian, python or python-packages."""
    if recipe == "debian":
        text = repr((MMDEBSTRAP, CHANGES))
    else:
        text = "".join((FOLDER / name).read_text("utf-8") for name in ("Dockerfile", "requirements.txt"))
    return f"{REPOSITORY}:{recipe}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _build_from_registry(client: docker.DockerClient, *, packages: bool, on_notice: Notice) -> str:
    tag = tag_of("python-packages" if packages else "python")
    arguments = {"PACKAGES": "yes" if packages else "no"}
    for line in client.api.build(path=str(FOLDER), tag=tag, buildargs=arguments, rm=True, forcerm=True, decode=True):
        if "error" in line:
            raise BuildError(line["error"], iter(()))
        if step := str(line.get("stream", "")).strip():
            on_notice(step)
    return tag


def _build_from_debian(client: docker.DockerClient, registry_reason: str) -> str:
    if shutil.which("mmdebstrap") is None:
        raise SandboxUnavailable(
            f"the sandbox image could not be built. From a registry: {registry_reason}. From Debian packages:"
            " mmdebstrap is not installed (`apt-get install mmdebstrap`)"
        )
    tag = tag_of("debian")
    with tempfile.TemporaryDirectory(prefix="ostinato-image-") as folder:
        root = Path(folder) / "root.tar"
        made = subprocess.run([*MMDEBSTRAP, str(root)], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise SandboxUnavailable(f"mmdebstrap failed on {platform.node()}: {made.stderr.strip()[-500:]}")
        repository, _, version = tag.partition(":")
        client.api.import_image_from_file(str(root), repository=repository, tag=version, changes=CHANGES)
    return tag


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
