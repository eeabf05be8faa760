"""The site: `sphinx-build -W --keep-going -n docs site` builds it from the pages in this folder."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sphinx.addnodes import pending_xref
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.nodes import find_pending_xref_condition

import batchfiles

sys.path.insert(0, str(Path(__file__).parent))

import llms
from reference import on_site

if TYPE_CHECKING:
    from docutils.nodes import Element, TextElement, document
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "batchfiles"
author = "the maintainers of batchfiles"
project_copyright = author
version = release = batchfiles.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
smartquotes = False  # `--` stays what people type
html_title = f"batchfiles {version}"
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it is fetched, which browsers refuse for files
exclude_patterns = ["site"]


myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

default_role = "code"  # docstrings have code between single backticks, as Markdown has
add_module_names = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 80
autodoc_mock_imports = ["pyspark"]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [("When the table is made", "params_style")]

nitpick_ignore_regex = [
    ("py:.*", r"(?!batchfiles\.).*"),  # only the names of this package are links: the site works offline
    ("py:class", r"batchfiles\.(api\.file\.T|api\.values\.Fields|inputs\.roles\.FileRoles|io\.temporary\.Spool)"),
    ("py:class", r"batchfiles\.jobs\.join\.(lazy_join\.CampaignChoices|report\.TableOptions)"),
    ("py:class", r"batchfiles\.testing\.service\.StoredFile"),
]
"""Names without a target; those of this package are internal types."""


def link_by_home(_app: Sphinx, env: BuildEnvironment, node: pending_xref, content: TextElement) -> Element | None:
    """Resolve the name that a class has in its module, such as `batchfiles.jobs.join.lazy_join.Join`, to the public one."""
    target = str(node.get("reftarget", ""))
    name = target.rpartition(".")[2]
    is_ours = target.startswith("batchfiles.") or target == name  # and not `httpx2.Client`
    if node.get("refdomain") != "py" or name not in batchfiles.__all__ or not is_ours or target == f"batchfiles.{name}":
        return None
    found: Element | None = env.domains["py"].resolve_xref(
        env, node["refdoc"], env.app.builder, "obj", f"batchfiles.{name}", node, content
    )
    return found


def docstring_of_data(_app: Sphinx, what: str, name: str, _value: object, _options: object, lines: list[str]) -> None:
    """Take the docstring of a constant or an alias from the module that defines it; autodoc looks only in the package."""
    name = name.rpartition(".")[2]
    if what == "data" and name in batchfiles._HOME_OF:  # noqa: SLF001
        documented = ModuleAnalyzer.for_module(f"batchfiles.{batchfiles._HOME_OF[name]}").find_attr_docs()  # noqa: SLF001
        lines[:] = documented.get(("", name), lines)


def leave_builtins(_app: Sphinx, doctree: document) -> None:
    """Don't link `bytes` in a signature to a property with this name."""
    for node in list(doctree.findall(pending_xref)):
        if node.get("refdomain") == "py" and node["reftarget"] in vars(builtins):
            shown = find_pending_xref_condition(node, "resolved")
            node.replace_self(node.children if shown is None else shown.children)


def skip_fields(_app: Sphinx, _what: str, _name: str, value: object, _skip: object, _options: object) -> bool | None:
    """Leave out the fields of named tuples: the docstring of the class describes them."""
    return True if type(value).__name__ == "_tuplegetter" else None


def leave_factories(
    _app: Sphinx, _what: str, _name: str, _value: object, _options: object, signature: str | None, returned: str | None
) -> tuple[str, str | None] | None:
    """Write `...` for a default that a function makes: `<factory>` is not Python, and Sphinx could not read the signature."""
    return None if signature is None else (signature.replace("<factory>", "..."), returned)


def add_sections(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Add what is not in the file of the page."""
    source[0] = on_site(docname, source[0])


def write_markdown(app: Sphinx, error: Exception | None) -> None:
    """Write the pages as Markdown, once they are built."""
    if error is None:
        llms.write(app, {name: on_site(name, Path(app.srcdir, f"{name}.md").read_text("utf-8")) for name in app.env.found_docs})


def setup(app: Sphinx) -> None:
    """Connect the functions of this file."""
    app.connect("source-read", add_sections)
    app.connect("build-finished", write_markdown)
    app.connect("missing-reference", link_by_home)
    app.connect("autodoc-process-docstring", docstring_of_data, priority=600)  # after napoleon
    app.connect("doctree-read", leave_builtins)
    app.connect("autodoc-process-signature", leave_factories)
    app.connect("autodoc-skip-member", skip_fields)
