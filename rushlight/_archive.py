"""PyTorch's zip archives: records at multiples of 64 bytes, uncompressed, in one folder."""

import hashlib
import mmap
import os
import struct
import zipfile
import zlib
from typing import IO, Any

import rushlight
from rushlight.storage import UntypedStorage

ALIGNMENT = 64


def write_record(archive: zipfile.ZipFile, name: str, content: Any) -> None:
    """Write a file into the archive so that its content begins at a multiple of 64 bytes."""
    info = zipfile.ZipInfo(name)  # with the date that zip counts from: the same object makes the same file
    size = len(content)
    big = size > 0xF0000000
    start = archive.fp.tell() + 30 + len(name.encode()) + (20 if big else 0) + 4  # type: ignore[union-attr]
    padding = -start % ALIGNMENT
    info.extra = struct.pack("<HH", 0x4246, padding) + b"Z" * padding
    info.file_size = size
    with archive.open(info, "w", force_zip64=big) as record:
        record.write(content)
    info.extra = b""  # the list at the end of the archive needs no padding


def write(file: IO[bytes], name: str, records: list[tuple[str, Any]]) -> None:
    """Write an archive of these records in the folder `name`, and one that identifies what they hold."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for record, content in records:
            write_record(archive, f"{name}/{record}", content)
        digest = hashlib.sha256(records[0][1])
        for info in archive.infolist():
            digest.update(struct.pack("<I", info.CRC))
        identity = f"{int.from_bytes(digest.digest()[:16], 'little') % 10**40:040d}"
        write_record(archive, f"{name}/.data/serialization_id", identity.encode())


class Archive:
    """A zip archive's records, without the name of the folder that they are in."""

    def __init__(self, file: IO[bytes], map_path: str | os.PathLike | None = None) -> None:
        try:
            self.zip = zipfile.ZipFile(file)
        except zipfile.BadZipFile:
            raise RuntimeError(
                "PytorchStreamReader failed reading zip archive: failed finding central directory. If you are seeing "
                "this error, there is a high likelihood that your checkpoint file is corrupted. This can happen if the "
                "checkpoint was not saved properly, was transferred incorrectly, or the file was modified after saving."
            ) from None
        self.file = file
        names = self.zip.namelist()
        self.folder = names[0].split("/")[0] + "/" if names else ""
        self.mapped = None
        if map_path is not None:
            with open(map_path, "rb") as mapped:  # private: writes stay in this process
                self.mapped = mmap.mmap(mapped.fileno(), 0, access=mmap.ACCESS_COPY)

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *exc: Any) -> None:
        self.zip.close()

    def has(self, record: str) -> bool:
        return self.folder + record in self.zip.NameToInfo

    def info(self, record: str) -> zipfile.ZipInfo:
        if not self.has(record):
            raise RuntimeError(f"PytorchStreamReader failed locating file {record}: file not found")
        return self.zip.getinfo(self.folder + record)

    def read(self, record: str) -> bytes:
        try:
            return self.zip.read(self.info(record))
        except zipfile.BadZipFile as error:
            raise RuntimeError(f"PytorchStreamReader failed reading file {record}: {error}") from None

    def storage(self, record: str, nbytes: int) -> UntypedStorage:
        """The bytes of a record as a storage."""
        info = self.info(record)
        if info.file_size < nbytes:
            raise RuntimeError(f"the record {record} has {info.file_size} bytes, but its storage needs {nbytes}")
        if not nbytes:
            return UntypedStorage(0)
        if self.mapped is not None and info.compress_type == zipfile.ZIP_STORED:
            start = self._start(info)
            whole = rushlight.frombuffer(self.mapped, dtype=rushlight.uint8, count=nbytes, offset=start)
            return whole.untyped_storage()
        untyped = UntypedStorage(nbytes)
        view = memoryview(untyped).cast("B")
        if info.compress_type == zipfile.ZIP_STORED and info.file_size == nbytes and hasattr(self.file, "readinto"):
            self.file.seek(self._start(info))  # straight into the storage
            complete = self.file.readinto(view) == nbytes and zlib.crc32(view) == info.CRC
        else:
            try:
                data = self.zip.read(info)
            except zipfile.BadZipFile:
                data = b""
            complete = len(data) >= nbytes
            if complete:
                view[:] = data[:nbytes]
        if not complete:
            raise RuntimeError(f"PytorchStreamReader failed reading file {record}: its contents are damaged")
        return untyped

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Where a record's contents begin: behind a header whose length only the header tells."""
        self.file.seek(info.header_offset)
        header = self.file.read(30)
        if len(header) < 30:
            raise RuntimeError(f"PytorchStreamReader failed reading file {info.filename}: its header is damaged")
        return info.header_offset + 30 + sum(struct.unpack("<2H", header[26:]))
