"""The site: `make docs` writes it to `docs/_build/html`."""

# ruff: noqa: INP001  scripts of the site, not a package

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "azureai-adapters"
author = "The azureai-adapters developers"
copyright = author  # noqa: A001  Sphinx's name
release = version = installed_version("azureai-adapters")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "docstrings",
    "flowchart",
    "notebooks",
]
exclude_patterns = ["_build", "_extensions"]

myst_enable_extensions = ["fieldlist"]
myst_heading_anchors = 4

default_role = "codelink"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

# References are checked (`sphinx-build -n`); those into other projects' code cannot be followed without a network.
nitpick_ignore_regex = [("py:.*", r"(?!(azureai_core|langchain_azureai|llamaindex_azureai|azureai_emulator)\.[A-Z]).*")]

toc_object_entries_show_parents = "hide"
html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp"
