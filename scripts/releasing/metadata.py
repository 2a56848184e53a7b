"""What a distribution says of itself, against what the index takes and what the tree says."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from trove_classifiers import classifiers as known

from scripts.releasing.pythons import LEAST

_ANOTHERS = "bcc"
"""A library for crystal lattices has the name of BCC's bindings on the index: it is never required."""


def of_wheel(wheel: Path) -> Metadata:
    """Raises an exception group with all that the specification of metadata does not allow."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        return Metadata.from_email(archive.read(name), validate=True)


def differences(found: Metadata, tree: Path, version: str, tried: Iterable[str]) -> list[str]:
    """As sentences. `tried`: the versions of Python that it runs with here, as `3.10`."""
    return [
        *_named(found, version),
        *(f"{one!r} is no classifier" for one in found.classifiers or () if one not in known),
        *_for_pythons(found, tried),
        *_requirements(found),
        *_described(found, (tree / "README.md").read_text(encoding="utf-8")),
    ]


def _named(found: Metadata, version: str) -> Iterator[str]:
    if (found.name, found.version) != ("ebpftrace", Version(version)):
        yield f"it is called {found.name} {found.version}"
    if not found.summary:
        yield "it has no summary"
    if found.license_expression != "Apache-2.0" or not found.license_files:
        yield f"its licence is {found.license_expression}, in {found.license_files}"


def _for_pythons(found: Metadata, tried: Iterable[str]) -> Iterator[str]:
    wanted = SpecifierSet(f">={'.'.join(map(str, LEAST))}")
    if found.requires_python != wanted:
        yield f"it is for Python {found.requires_python}, and made for {wanted}"
    said = {one.rpartition(" ")[2] for one in found.classifiers or () if " :: Python :: 3." in one}
    for version in tried:
        if version not in said:
            yield f"no classifier says that it runs with Python {version}"


def _requirements(found: Metadata) -> Iterator[str]:
    for one in found.requires_dist or ():
        if one.name == _ANOTHERS:
            yield f"it requires {one}, which is another library than BCC"
        if not least(one) and "extra" not in str(one.marker):
            yield f"it requires any version of {one.name}"


def least(requirement: Requirement) -> str | None:
    """The lowest version that is allowed."""
    return next((one.version for one in requirement.specifier if one.operator == ">="), None)


def oldest(found: Metadata) -> list[str]:
    """Constraints for pip by which the lowest allowed series of everything is installed."""
    return [
        f"{one.name}=={lowest}.*"
        for one in found.requires_dist or ()
        if (lowest := least(one)) and "extra" not in str(one.marker)
    ]


def _described(found: Metadata, readme: str) -> Iterator[str]:
    if found.description_content_type != "text/markdown":
        yield f"its description is {found.description_content_type}"
    if (found.description or "").strip() != readme.strip():
        yield "its description is not README.md"
