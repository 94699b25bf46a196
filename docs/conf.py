"""Sphinx configuration; the documentation builds without network access."""

from docutils import nodes
from docutils.statemachine import StringList
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from seewhy import registry

project = "seewhy"
author = "The seewhy authors"
copyright = "The seewhy authors, Apache-2.0"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "code"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings state shapes and units more briefly than jaxtyping
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "seewhy"
html_static_path = ["_static"]
html_css_files = ["formulas.css"]
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathml"


def inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write an inline formula as MathML, which browsers render without JavaScript."""
    translator.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a displayed formula as MathML."""
    translator.body.append(f"<div>{tex2mathml(node.astext(), as_block=True)}</div>")
    raise nodes.SkipNode


class Registry(SphinxDirective):
    """The functions behind the rows of a table of the registry, from their docstrings: ``.. registry:: infills``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return one description per row."""
        functions = (row.run for row in registry.table(self.arguments[0]).values())
        lines = [f".. autofunction:: {function.__module__}.{function.__qualname__}" for function in functions]
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, self.get_location()), self.content_offset, node)
        return node.children


def setup(app: Sphinx) -> None:
    """Register the MathML writer, and the directive for tables of the registry."""
    app.add_directive("registry", Registry)
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
