"""Alignment search: particles against references, exhaustive at low resolution, then local in the full band."""
