"""A subspace as EMAN2 writes it."""

import numpy as np

from refine2d.msa import Basis
from refine2d.stacks.hdf import read_hdf, read_headers, write_hdf


def write_basis(path, basis: Basis) -> None:
    """Write the mean (`eigval` 0, `noise`), then the vectors with `eigval` and `explvarfrac`; not images: as (1, d)."""
    images = np.concatenate([basis.mean[None], basis.vectors])
    if images.ndim == 2:
        images = images[:, None]
    headers = [{"eigval": 0.0, "explvarfrac": 0.0, "noise": basis.noise}]
    for eigval, share in zip(basis.eigval, basis.explvarfrac, strict=True):
        headers.append({"eigval": float(eigval), "explvarfrac": float(share)})
    write_hdf(path, images, headers)


def read_basis(path) -> Basis:
    """Inverse of `write_basis`."""
    images, headers = read_hdf(path), read_headers(path, ("eigval", "explvarfrac", "noise"))
    if images.shape[1] == 1:
        images = images[:, 0]
    eigval, share = (np.array([header[name] for header in headers[1:]]) for name in ("eigval", "explvarfrac"))
    return Basis(images[0], images[1:], eigval, share, headers[0].get("noise", 0.0))
