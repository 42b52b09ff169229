"""A run as one page: its heads on a map, what each does, examples, and every table; made of tables, without a model."""

from interp.report.page import page as page
