"""Write docs/licences.md: the packages that each extra installs, with version and licence.

`python tools/licences.py --python ENV/bin/python` describes the packages of an environment that has all extras. The
licences are those that pip-licenses reads from the packages' own metadata. Ends with status 1 when one is not among
the licences that are known to allow use in any program.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "licences.md"
PROJECT = "azureai-adapters"
EXTRAS = (
    "",
    "langchain",
    "llamaindex",
    "identity",
    "otel",
    "emulator",
    "cli",
    "local",
    "parquet",
    "dask",
    "ray",
    "spark",
)

PERMISSIVE = (
    r"MIT(-CMU|-0)?( License)?|The MIT License.*|Expat",
    r"Apache([- ]2(\.0)?)?|Apache License,? (Version )?2\.0|Apache[- ]Software[- ]License.*|Apache-2\.0( License)?",
    r"BSD|BSD[- ][0-3]-Clause.*|(New |Modified |3-Clause )?BSD License|0BSD",
    r"ISC|ISC License.*|Zlib|Unlicense|The Unlicense.*|HPND|CC0-1\.0",
    r"PSF.*|Python-2\.0.*|Python Software Foundation License",
    r"BSL-1\.0|CNRI-Python|Public Domain|NCSA|AFL-.*|Academic Free License \(AFL\)",
)
"""Licences that ask for nothing but their notice."""
FILE_COPYLEFT = (r"MPL-2\.0|Mozilla Public License 2\.0.*",)
"""They bind those who change the package's own files, not those who use them."""

DUMP = """
import json
from importlib.metadata import distributions
print(json.dumps({d.metadata["Name"]: [d.version, d.requires or []] for d in distributions()}))
"""


def installed(python: Path) -> dict[str, tuple[str, list[str]]]:
    """Normalised name → version and requirements of every package of an environment."""
    done = subprocess.run([python, "-c", DUMP], capture_output=True, encoding="utf-8", check=True)
    found = json.loads(done.stdout).items()
    return {canonicalize_name(name): (version, requires) for name, (version, requires) in found}


def licences(python: Path) -> dict[str, str]:
    """Normalised name → licence, as pip-licenses reads it."""
    tool = [sys.executable, "-m", "piplicenses", "--python", str(python), "--with-system", "--format", "json"]
    done = subprocess.run(tool, capture_output=True, encoding="utf-8", check=True)
    return {canonicalize_name(item["Name"]): plain(item["License"]) for item in json.loads(done.stdout)}


def plain(licence: str) -> str:
    """A licence in one line; whole licence texts, which some packages put there, cut to their title."""
    return " ".join(licence.partition("\n")[0].split()) or "UNKNOWN"


def closure(packages: Mapping[str, tuple[str, list[str]]], extra: str) -> set[str]:
    """The packages that the project with an extra needs, with all that they need. Raises `KeyError` for one missing."""
    todo, seen, found = [(PROJECT, extra)], set(), set()
    while todo:
        name, wanted = todo.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        found.add(name)
        todo += list(needs(packages[name][1], wanted))
    return found - {PROJECT}


def needs(requires: list[str], extra: str) -> Iterator[tuple[str, str]]:
    """`(package, extra)` of each requirement that applies here."""
    for line in requires:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in requirement.extras | {""}:
            yield canonicalize_name(requirement.name), wanted


KINDS = ("permissive", "file copyleft", "other")


def kind(licence: str) -> str:
    """The kind of a licence expression: of alternatives the freest, of licences that hold together the strictest.

    >>> kind("MPL-2.0 AND (Apache-2.0 OR MIT)")
    'file copyleft'
    >>> kind("GPL-2.0-only OR BSD-3-Clause")
    'permissive'
    >>> kind("GPL-3.0-or-later; MIT License")
    'other'
    """
    text = licence.replace("; ", " AND ").strip()
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    for word, choose in ((" OR ", min), (" AND ", max)):
        parts = split(text, word)
        if len(parts) > 1:
            return choose((kind(part) for part in parts), key=KINDS.index)
    return single(text)


def split(text: str, word: str) -> list[str]:
    """The parts between a word, where it stands outside parentheses."""
    parts = [""]
    for piece in re.split(f"({word})", text):
        inside = parts[-1].count("(") > parts[-1].count(")")
        if piece == word and not inside:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def single(licence: str) -> str:
    """The kind of one licence; an exception after WITH only gives more rights."""
    name = licence.partition(" WITH ")[0].strip()
    if any(re.fullmatch(pattern, name, re.IGNORECASE) for pattern in PERMISSIVE):
        return "permissive"
    return "file copyleft" if any(re.fullmatch(pattern, name) for pattern in FILE_COPYLEFT) else "other"


HEAD = """# Licences

azureai-adapters is under the MIT licence. This page lists its dependencies per extra, with the versions in
`constraints.txt` and the licence that each package declares. `make licences` generates it.

*Permissive* licences only require that their notice is kept. *File copyleft* (MPL 2.0) applies to changes of the
package's own files, not to its use. No package that is needed at run time is only under the GPL, LGPL or AGPL.
"""


def page(packages: Mapping[str, tuple[str, list[str]]], known: Mapping[str, str]) -> str:
    """The page; a package stands under the first extra that needs it."""
    seen: set[str] = set()
    parts = [HEAD]
    for extra in EXTRAS:
        names = sorted(closure(packages, extra) - seen)
        seen |= set(names)
        parts.append(f"## {extra or 'The core'}\n\n{table(names, packages, known)}")
    return "\n".join(parts)


def table(names: list[str], packages: Mapping[str, tuple[str, list[str]]], known: Mapping[str, str]) -> str:
    """The rows of an extra."""
    if not names:
        return "Nothing further.\n"
    rows = [f"| {name} | {packages[name][0]} | {known[name]} | {kind(known[name])} |" for name in names]
    return "\n".join(["| package | version | licence | kind |", "|---|---|---|---|", *rows]) + "\n"


def main() -> int:
    """The status: 0 when every licence is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="of the environment to describe")
    options = parser.parse_args()
    packages: dict[str, Any] = installed(options.python)
    known = licences(options.python)
    PAGE.write_text(page(packages, known), encoding="utf-8")
    needed = set().union(*(closure(packages, extra) for extra in EXTRAS))
    unknown = sorted(f"{name} ({known[name]})" for name in needed if kind(known[name]) == "other")
    if unknown:
        print(f"Licences that have to be looked at: {', '.join(unknown)}.", file=sys.stderr)
        return 1
    print(f"{PAGE.relative_to(ROOT)}: {len(needed)} packages, all under permissive licences or MPL 2.0.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
