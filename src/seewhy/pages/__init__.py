"""Pure functions from a record to HTML; Jinja2 templates with autoescape."""
