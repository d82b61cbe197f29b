"""Sequence pictures for documents: plays scenarios and writes what happened as Mermaid, on a page beside each file.

`python -m callrouter.scenario.pictures FOLDER` (`make pictures`). What changes from one time to the next, such as times
and ports, is left out, so that a page changes only when what happens does.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from callrouter.scenario.deployment import LocalDeployment
from callrouter.scenario.faults import CannotPlay
from callrouter.scenario.ladders import as_mermaid
from callrouter.scenario.language import parse
from callrouter.scenario.play import Played, play_alone

_SECONDS = re.compile(r"(?<=: )[0-9]+\.[0-9]{3} s ")
_ORIGIN = re.compile(r"http://127\.0\.0\.1:[0-9]+(?=/)")
_SID = re.compile(r"\b([A-Z]{2})[0-9a-f]{32}\b")


def pages(folder: Path) -> dict[Path, str]:
    """The page of each scenario in a folder. CannotPlay for one that does not happen as it is written."""
    files = sorted(folder.glob("*.scenario"))
    with LocalDeployment() as deployment:
        return {file.with_suffix(".md"): _page(file, deployment) for file in files}


def _page(file: Path, deployment: LocalDeployment) -> str:
    text = file.read_text(encoding="utf-8")
    played = play_alone(parse(text, file.name), deployment, file.parent)
    if not played.good:
        raise CannotPlay("\n".join(f"{file}:{done.step.line}: {done.fault}" for done in played.faults))
    first, _, rest = text.partition("\n")
    pictures = "\n".join(f"```mermaid\n{picture}```\n" for picture in _pictures(played))
    return (
        f"# {first.removeprefix('#').strip()}\n\n"
        f"Played and drawn by `make pictures`, from {file.name}:\n\n```scenario\n{rest.strip()}\n```\n\n{pictures}"
    )


def _pictures(played: Played) -> list[str]:
    return [steady(as_mermaid(ladder)) for ladder in played.ladders]


def steady(picture: str) -> str:
    """Without what differs each time: seconds, the app's port, SIDs."""
    return _SID.sub(r"\1…", _ORIGIN.sub("", _SECONDS.sub("", picture)))


def main() -> None:
    for path, page in pages(Path(sys.argv[1])).items():
        path.write_text(page, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
