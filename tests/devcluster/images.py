"""Container images without a registry or a container engine: built by buildah, handed over as archives.

Production builds the project's Dockerfile on a Python base image from a registry. Here its base is made on the spot by
debootstrap from Debian packages, and given to the same Dockerfile as its build argument, so what runs on the real node
is what the Dockerfile makes. Slow steps are cached outside the tree, keyed by what goes into them.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.devcluster import debian
from tests.devcluster.build import cache_folder

PAUSE = "registry.invalid/pause:1"
"""The sandbox image. The name resolves nowhere: a missing image fails at once instead of being looked for."""

BASE_PACKAGES = ("ca-certificates", "libgomp1", "libnuma1", "python3", "python3-venv")
"""Contents of the base besides Debian's minimum; vLLM's compiled part does not load without libgomp1 and libnuma1."""

_SUITE = "bookworm"
_MIRROR = "http://deb.debian.org/debian"
_REPOSITORY = Path(__file__).parents[2]
_PAUSE_SOURCE = Path(__file__).parent / "templates" / "pause.c"
_UNUSED_AFTER_S = 86_400.0


class ImageError(RuntimeError):
    """A build step failed; the message carries the end of its output."""


def pause() -> Path:
    """The archive of the sandbox image, a static program of a few lines of C."""
    archive = _cache() / f"pause-{_digest(_PAUSE_SOURCE.read_text(encoding='utf-8'))}.tar"
    with _exclusively():
        if not archive.exists():
            debian.require(debian.IMAGE_PACKAGES)
            with tempfile.TemporaryDirectory() as scratch:
                _run("gcc", "-Os", "-static", "-o", f"{scratch}/pause", str(_PAUSE_SOURCE))
                (Path(scratch) / "Dockerfile").write_text(
                    'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n', encoding="utf-8"
                )
                _archive(_buildah_build(Path(scratch), PAUSE), PAUSE, archive)
    return archive


def base() -> str:
    """The reference of the base image in buildah's store: Debian with Python, as a slim image has it."""
    debian.require(debian.IMAGE_PACKAGES)
    key = _digest(_SUITE, *BASE_PACKAGES)
    reference = f"localhost/wharfage-base:{key}"
    with _exclusively():
        if _buildah("images", "--quiet", "--filter", f"reference={reference}").strip():
            return reference
        with tempfile.TemporaryDirectory(dir=_cache()) as scratch:
            shutil.copyfile(_root_filesystem(key), Path(scratch) / "base.tar")
            (Path(scratch) / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n", encoding="utf-8")
            _buildah_build(Path(scratch), reference)
    return reference


def project(target: str, reference: str) -> Path:
    """The archive of an image of the project's own Dockerfile, named `reference`.

    Raises `ImageError` when the build fails.
    """
    return build(_REPOSITORY, reference, "--target", target)


def build(context: Path, reference: str, *options: str) -> Path:
    """The archive of the Dockerfile in `context`, built on our base as its argument BASE and named `reference`."""
    on = base()
    with _exclusively():
        image = _buildah_build(context, reference, "--build-arg", f"BASE={on}", *options)
        archive = _cache() / f"image-{_digest(image, reference)}.tar"
        if archive.exists():
            archive.touch()
        else:
            _archive(image, reference, archive)
        _forget_unused()
    return archive


def _root_filesystem(key: str) -> Path:
    """Debian's minimum with our packages as a tar file; about a minute when it is not cached."""
    tar = _cache() / f"base-{key}.tar"
    if tar.exists():
        return tar
    print(f"building the base image from Debian packages ({_SUITE}); about a minute", flush=True)
    with tempfile.TemporaryDirectory(dir=_cache()) as scratch:
        root = Path(scratch) / "root"
        include = f"--include={','.join(BASE_PACKAGES)}"
        _run("debootstrap", "--variant=minbase", include, _SUITE, str(root), _MIRROR)
        for useless in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
            shutil.rmtree(root / useless, ignore_errors=True)
        partial = Path(scratch) / "base.tar"
        _run("tar", "--sort=name", "--numeric-owner", "-C", str(root), "-cf", str(partial), ".")
        partial.rename(tar)
    return tar


def _buildah_build(context: Path, reference: str, *options: str) -> str:
    """Build and return the image's id. Layers are kept, so an unchanged step costs nothing the next time."""
    volumes = [
        # the machine's certificates and pip settings: mirrors and proxies of the place where the build runs
        *("--volume", "/etc/ssl/certs:/etc/ssl/certs:ro"),
        *(("--volume", "/etc/pip.conf:/etc/pip.conf:ro") if Path("/etc/pip.conf").exists() else ()),
    ]
    with tempfile.NamedTemporaryFile("r", encoding="ascii") as image:
        _buildah("build", "--layers", "--tag", reference, "--iidfile", image.name, *volumes, *options, str(context))
        return image.read().strip().removeprefix("sha256:")


def _archive(image: str, reference: str, archive: Path) -> None:
    partial = archive.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    _buildah("push", image, f"docker-archive:{partial}:{reference}")
    partial.rename(archive)


def _buildah(*arguments: str) -> str:
    """buildah with a store of our own, and without what a container engine would give it."""
    store = _cache() / "store"
    where = ["--root", str(store), "--runroot", str(store / "run")]
    return _run("buildah", *where, *arguments, env={"STORAGE_DRIVER": "overlay", "BUILDAH_ISOLATION": "chroot"})


def _run(*argv: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(argv, env=os.environ | (env or {}), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join([*done.stdout.splitlines(), *done.stderr.splitlines()][-25:])
        raise ImageError(f"{argv[0]} failed with status {done.returncode}: {' '.join(argv)}\n{tail}")
    return done.stdout


def _cache() -> Path:
    folder = cache_folder() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _exclusively() -> Iterator[None]:
    """One builder at a time on this machine: two would do the same slow work and fight over the store."""
    with (_cache() / "lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_unused() -> None:
    """Archives of images that nobody asked for since yesterday."""
    for archive in _cache().glob("image-*.tar"):
        if time.time() - archive.stat().st_mtime > _UNUSED_AFTER_S:
            archive.unlink(missing_ok=True)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
