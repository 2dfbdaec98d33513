"""The documents as pages, by Sphinx: `make site`. A link that leads nowhere is an error."""

project = "Torch Dojo"
copyright = "the Torch Dojo contributors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["results/**", "ci/**"]
html_theme = "furo"
html_title = "Torch Dojo"
html_copy_source = False
html_show_sphinx = False
myst_heading_anchors = 3
