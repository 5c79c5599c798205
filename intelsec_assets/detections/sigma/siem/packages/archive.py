"""Packages on disk: a folder, and a zip or tar.gz that is the same bytes whenever the same files go in.

What lies in a package is the SIEM's module.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

# the earliest time zip can say; a package tells nothing about when it was made
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644


def write_zip(files: Mapping[str, str], path: Path) -> None:
    """Write the files, in order of their paths, as a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, _MODE << 16, 3
            archive.writestr(entry, text.encode("utf-8"))


def write_tar(files: Mapping[str, str], path: Path) -> None:
    """Write the files, in order of their paths, as a tar.gz without times and owners."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in sorted(files.items()):
            data = text.encode("utf-8")
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), _MODE
            archive.addfile(entry, io.BytesIO(data))
    with path.open("wb") as out, gzip.GzipFile(filename="", fileobj=out, mode="wb", mtime=0) as packed:
        packed.write(content.getvalue())


def write_folder(files: Mapping[str, str], folder: Path) -> None:
    """Write the files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
