"""How the docstrings of the code become the API reference."""

# ruff: noqa: INP001  scripts of the site, not a package

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.pycode import ModuleAnalyzer

OURS = ("azureai_core", "langchain_azureai", "llamaindex_azureai", "azureai_emulator")
_NAME = re.compile(r"[A-Za-z_][\w.]*(\(\))?")


def code_or_link(  # the signature of a role
    _name: str, rawtext: str, text: str, _line: int, inliner: Any, *_: Any
) -> tuple[list[nodes.Node], list[Any]]:
    """Single backticks: code, which leads to the reference where it is a name that stands there."""
    code = text.replace("\x00", "")
    literal = nodes.literal(rawtext, code)
    if not _NAME.fullmatch(code):
        return [literal], []
    env = inliner.document.settings.env
    target = addnodes.pending_xref(
        rawtext, literal, refdomain="py", reftype="obj", refexplicit=False, refwarn=False,
        reftarget=code.removesuffix("()"), refdoc=env.docname,
        **{f"py:{k}": env.ref_context.get(f"py:{k}") for k in ("module", "class")},
        **({"refspecific": True} if code[0].isupper() else {}),  # a class is looked for in all modules
    )  # fmt: skip
    return [target], []


def fields_of(cls: type) -> Iterator[tuple[str, str, Any]]:
    """`(name, description, field)` of each argument that a pydantic class of ours adds to its framework's."""
    attributes: dict[str, str] = {}
    declared: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith(OURS):
            documented = ModuleAnalyzer.for_module(base.__module__).find_attr_docs()
            for name in inspect.get_annotations(base):
                declared[name] = None
                attributes[name] = " ".join(documented.get((base.__name__, name), ()))
    for name, field in getattr(cls, "model_fields", {}).items():
        if name in declared:
            yield name, field.description or attributes[name].strip(), field


def _readable(_app: Any, what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Docstrings are written for people: their backticks may be followed by a letter, their sentences have colons."""
    lines[:] = [re.sub(r"(`[^`]+`)(?=\w)", r"\1\\ ", line) for line in lines]
    for n in range(len(lines) - 2):
        if lines[n].endswith(":") and not lines[n + 1].strip() and lines[n + 2].startswith(" "):
            lines[n] += ":"  # what is indented is code
    if what in {"attribute", "property", "data"} and lines:
        lines[0] = f": {lines[0]}"  # napoleon takes what stands before a colon for a type: this one is empty


def _add_fields(_app: Any, what: str, _name: str, obj: Any, _options: Any, lines: list[str]) -> None:
    found = list(fields_of(obj)) if what == "class" and hasattr(obj, "model_fields") else []
    if found:
        lines += ["", ".. rubric:: Fields", ""]
    for name, about, field in found:
        names = ", ".join(f"``{spelling}``" for spelling in _spellings(name, field))
        default = field.get_default(call_default_factory=True)
        said = f" Default: ``{default!r}``." if default not in (None, {}) else ""
        lines.append(f"- {names} ({_kind(field.annotation)}): {about}{said}")


def _spellings(name: str, field: Any) -> list[str]:
    """The names that an argument may be given by."""
    aliases = getattr(field.validation_alias, "choices", [field.validation_alias])
    return list(dict.fromkeys([name, *(alias for alias in aliases if isinstance(alias, str))]))


def _without_signature(
    _app: Any, what: str, _name: str, obj: Any, _options: Any, _signature: str, _returns: str
) -> tuple[str, None] | None:
    """The arguments of a pydantic class stand below it, each with its sentence."""
    return ("(**fields)", None) if what == "class" and hasattr(obj, "model_fields") else None


def _kind(annotation: Any) -> str:
    text = getattr(annotation, "__name__", None) if isinstance(annotation, type) else None
    return f"``{text or re.sub(r'(typing|collections.abc)[.]', '', str(annotation))}``"


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_role("codelink", code_or_link)
    app.connect("autodoc-process-docstring", _readable, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", _add_fields)
    app.connect("autodoc-process-signature", _without_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
