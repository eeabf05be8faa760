"""Campaigns made of the example files."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import batchfiles
from batchfiles.campaign import Manifest, Part, write_manifest

FIXTURES = Path(__file__).parents[2] / "fixtures"


def campaign_of(requests: Path, results: list[Path], folder: Path, *, max_requests: int) -> Path:
    """Split a request file, and put each line of results to the part that has its request; lines without one to the first."""
    if requests.stat().st_size:
        listed = batchfiles.split(requests, output=folder, max_requests=max_requests).parts
    else:
        folder.mkdir()
        shutil.copy(requests, folder)
        listed = (Part(file=requests.name, requests=0, bytes=0, sha256=hashlib.sha256().hexdigest()),)
        write_manifest(folder, Manifest(parts=listed))
    owner = {}
    for part in listed:
        for line in batchfiles.read_inputs(folder / part.file):
            owner[line.custom_id] = part.file
    for result in results:
        kind = "error" if "error" in result.name else "output"
        for line in result.read_bytes().split(b"\n"):
            part = owner.get(_id_of(line), listed[0].file)
            with (folder / part.replace(".jsonl", f"_{kind}.jsonl")).open("ab") as file:
                file.write(line + b"\n")
    return folder


def _id_of(line: bytes) -> str:
    try:
        value = batchfiles.decode_output(line)
    except batchfiles.BatchFilesError:
        return ""
    return value.custom_id or ""


def fixture_campaign(name: str, folder: Path) -> Path:
    """The campaign of a folder of `fixtures/`."""
    files = sorted((FIXTURES / name).glob("*.jsonl"))
    requests = next(file for file in files if file.name == "requests.jsonl")
    results = [file for file in files if file != requests and not file.name.startswith("input_")]
    return campaign_of(requests, results, folder, max_requests=20 if name == "shapes" else 4)


def with_duplicates(folder: Path) -> Path:
    """Every part gets its results a second time, those of a failure as successes of another part."""
    for path in sorted(folder.glob("*_output.jsonl")):
        shutil.copy(path, path.with_name(path.name.replace("_output", "_error")))
    return folder
