"""Readers and writers of image stacks, one module a format; `opening.open_source` picks by file ending."""
