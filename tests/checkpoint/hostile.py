"""Files that somebody made who means harm: whole, with every CRC right."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any


def put_pickle(path: Path, pickled: bytes) -> None:
    """Replace the pickle inside a file of torch; the rest stays as it is."""
    with zipfile.ZipFile(path) as archive:
        records = {record.filename: archive.read(record) for record in archive.infolist()}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, data in records.items():
            archive.writestr(name, pickled if name.endswith("/data.pkl") else data)
    path.unlink()
    path.write_bytes(whole.getvalue())


def calling(module: str, name: str, *arguments: Any) -> bytes:
    """Return a pickle that calls a function when it is loaded, in a dict as a checkpoint's."""
    given = b"".join(pickle.dumps(argument, 2)[2:-1] for argument in arguments)
    call = f"c{module}\n{name}\n".encode() + b"(" + given + b"tR"
    return b"\x80\x02}X\x04\x00\x00\x00evil" + call + b"s."


def holding(values: dict[str, Any]) -> bytes:
    """Return a pickle of plain values."""
    return pickle.dumps(values, 2)
