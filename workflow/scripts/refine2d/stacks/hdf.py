"""EMAN2's HDF layout: ``/MDF/images/N/image``, the header of image N as attributes of its group."""

import logging
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import h5py
import numpy as np

from refine2d.ctf import CtfTable
from refine2d.errors import UserError
from refine2d.files import atomic
from refine2d.stacks.source import Source, check_box, group_rows, single

log = logging.getLogger(__name__)

# The oldest format that holds attributes of more than 64 KiB: EMAN2's own HDF5 reads it.
LIBVER = ("v108", "v108")
# What h5py raises for a file with damage inside.
DAMAGED = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    OverflowError,
    MemoryError,
    AttributeError,
)


@dataclass(frozen=True)
class HdfStack:
    """An EMAN2 file as a stack; see `source.Stack`."""

    path: str
    n: int
    box: int
    apix: float | None

    def images(self, numbers: np.ndarray) -> np.ndarray:
        """Images by 0-based number, float32 (m, box, box)."""
        return _read(self.path, numbers, (self.box, self.box))


def open_stack(path: str) -> HdfStack:
    """An EMAN2 file as a stack of images, all as large as the first."""
    with _images(path) as images:
        n = _count(images)
        ny, nx = _shape(path, images, 0)
        (apix,) = _attributes(images, 0, b"EMAN.apix_x")
    check_box(path, nx, ny)
    return HdfStack(path, n, nx, float(apix) if apix else None)


def open_source(path: str) -> Source:
    """An EMAN2 stack as an input, with the CTF of its headers.

    Raises
    ------
    UserError
        When the file is not in EMAN2's layout, its images are not square, or only some of them have a CTF.
    """
    stack = open_stack(path)
    n = stack.n
    with _images(path) as images:
        headers = [_attributes(images, i, b"EMAN.ctf", b"EMAN.apix_x") for i in range(n)]
    strings, apix = zip(*headers, strict=True)
    without = [i for i, string in enumerate(strings) if string is None]
    if 0 < len(without) < n:
        raise UserError(f"{path}: image {without[0]} has no CTF in its header, but others have one.")
    apix = np.array([float(value) if value else np.nan for value in apix])
    if without:
        optics, group = group_rows({"apix": apix, "ac": np.full(n, np.nan)})
        ctf = None
    else:
        parsed = {string: parse_ctf(string, path) for string in dict.fromkeys(strings)}
        columns = np.array([parsed[string] for string in strings]).T
        ctf = CtfTable(*columns[:7])
        apix = _pixel_size(path, apix, columns[7])
        optics, group = group_rows({"apix": apix, "voltage": ctf.voltage, "cs": ctf.cs, "ac": ctf.ac})
    return single(stack, optics, group, ctf)


def phase_flipped(path: str) -> bool:
    """Whether the first image's header says that its phases are flipped."""
    with _images(path) as images:
        (flipped,) = _attributes(images, 0, b"EMAN.ctf_phase_flipped")
    return bool(np.any(flipped))


def _pixel_size(path: str, header: np.ndarray, ctf: np.ndarray) -> np.ndarray:
    """Angstrom per pixel (n,): the header's, or the CTF's where the header has none, or EMAN2's 1 for unknown."""
    unknown = np.isnan(header) | (header == 1)
    apix = np.where(unknown & ~np.isnan(ctf), ctf, header)
    wrong = np.flatnonzero(np.abs(apix - ctf) > 1e-3 * apix)  # a CTF has four digits
    if len(wrong):
        i = wrong[0]
        sentence = "%s: image %d has %g A a pixel in its header, which is taken, but %g in its CTF"
        log.warning(sentence, path, i, apix[i], ctf[i])
    return apix


def parse_ctf(string: str, path: str = "CTF") -> tuple[float, ...]:
    """EMAN2's CTF header string in RELION's terms.

    EMAN2 (``EMAN2Ctf``) has the mean defocus d and the difference f in micrometres, and the angle of the
    largest defocus from x towards y, so that U, V = d + f/2, d - f/2 at that same angle. Its amplitude
    contrast a, in percent, carries the whole phase: asin(a/100) within +-100, pi - asin(2 - a/100) above,
    -pi - asin(-2 - a/100) below. EMAN1's string (``O``) has underfocus negative, no astigmatism, and
    amplitude contrast as a fraction.

    Returns
    -------
    tuple
        Defocus U, V (A), angle (deg), phase shift (deg), voltage (kV), Cs (mm), amplitude contrast
        (fraction), pixel size (A; NaN for 0). Where a is not within 0 to 100, the whole phase comes as phase
        shift and the amplitude contrast is 0.
    """
    try:
        values = [float(word) for word in string[1:].split()[: 8 if string[:1] == "E" else 11]]
        if string[:1] == "E":
            defocus, difference, angle, _, ampcont, voltage, cs, apix = values
        elif string[:1] == "O":
            negative, _, _, fraction, _, _, _, _, voltage, cs, apix = values
            defocus, difference, angle, ampcont = -negative, 0.0, 0.0, fraction * 100
        else:
            raise ValueError
        phase, ac = _phase(ampcont)
        if not all(map(math.isfinite, values)):
            raise ValueError
    except ValueError:
        raise UserError(f"{path} has a CTF header that cannot be read: {string[:60]!r}.") from None
    u, v = (defocus + difference / 2) * 1e4, (defocus - difference / 2) * 1e4
    return u, v, angle, phase, voltage, cs, ac, apix or math.nan


def _phase(ampcont: float) -> tuple[float, float]:
    """Phase shift (deg) and amplitude contrast (fraction) from EMAN2's amplitude contrast (%)."""
    if 0 <= ampcont <= 100:
        return 0.0, ampcont / 100
    if ampcont > 100:
        return math.degrees(math.pi - math.asin(2 - ampcont / 100)), 0.0
    if ampcont > -100:
        return math.degrees(math.asin(ampcont / 100)), 0.0
    return math.degrees(-math.pi - math.asin(-2 - ampcont / 100)), 0.0


def read_hdf(path: str, numbers=None) -> np.ndarray:
    """Read images or tables, decompressed.

    Parameters
    ----------
    path : str
    numbers : int array (n,), optional
        0-based, in any order; all images by default.

    Returns
    -------
    float32 array (n, ny, nx)

    Raises
    ------
    UserError
        When the file is not in EMAN2's layout, an image is missing, or sizes differ.
    """
    return _read(path, numbers)


def read_headers(path: str, names: Iterable[str] | None = None) -> list[dict]:
    """Header of each image, keys without ``EMAN.``: int, float, str, or an array for two values or more.

    Parameters
    ----------
    path : str
    names : iterable of str, optional
        Keys that are wanted, as far as they are there; all by default.

    Raises
    ------
    UserError
        When the file is not in EMAN2's layout or an image is missing.
    """
    with _images(path) as images:
        return [_header(images[str(number)].attrs, names) for number in range(_count(images))]


def _header(attributes: h5py.AttributeManager, names: Iterable[str] | None) -> dict:
    if names is None:
        names = [key.removeprefix("EMAN.") for key in attributes]
    return {name: _python(attributes[f"EMAN.{name}"]) for name in names if f"EMAN.{name}" in attributes}


def write_hdf(path: str, images: Iterable[np.ndarray], headers: list[dict] | None = None) -> None:
    """Write images (2D, each of its own size if need be) as float32, see `HdfWriter.add`."""
    with HdfWriter(path) as writer:
        for i, image in enumerate(images):
            writer.add(image, headers[i] if headers else {})


class HdfWriter:
    """Writes an EMAN2 file image by image; it appears under its name when the ``with`` block ends well.

    Headers are dicts without ``EMAN.``, stored as what EMAN2 reads: whole numbers and bools as int32, floats
    as float64 and numpy's float32 as float32, all of shape (1,); lists as int32 or float32 arrays; text as
    fixed-length, NUL-terminated bytes. A list of one cannot be told from a number.
    """

    def __init__(self, path: str):
        self.path = path
        self.count = 0

    def __enter__(self) -> "HdfWriter":
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic(self.path))
            self._file = stack.enter_context(h5py.File(temporary, "w", libver=LIBVER))
            self._images = self._file.create_group("MDF/images")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error) -> None:
        if error[0] is None:
            self._images.attrs["imageid_max"] = np.array([self.count - 1], np.int32)
        self._stack.__exit__(*error)

    def add(self, image: np.ndarray, header: dict | None = None) -> None:
        """Append an image, (ny, nx)."""
        self._next(np.shape(image), header).create_dataset("image", data=np.asarray(image, np.float32))

    def create(
        self, shape: tuple[int, int], header: dict | None = None, fill: float = 0, compressed: bool = True
    ) -> h5py.Dataset:
        """Append an image that is filled later, by slices of the returned dataset.

        Parameters
        ----------
        shape : (ny, nx)
        header : dict
        fill : float
            Value of the pixels that are never written; whole chunks of them take no space.
        compressed : bool
            In chunks of about 256 KiB; else pixels lie as in an image that was added, and `fill` means nothing.
        """
        layout = {}
        if compressed:
            rows = min(max(1, 2**16 // shape[1]), shape[0])
            layout = {"chunks": (rows, shape[1]), "compression": "gzip", "fillvalue": np.float32(fill)}
        return self._next(shape, header).create_dataset("image", shape, np.float32, **layout)

    def _next(self, shape: tuple[int, ...], header: dict | None) -> h5py.Group:
        if len(shape) != 2:
            raise ValueError(f"image {self.count} has shape {shape}, not (ny, nx)")
        group = self._images.create_group(str(self.count))
        sizes = {"nx": shape[1], "ny": shape[0], "nz": 1, "is_complex": 0, "datatype": 7}
        for key, value in {**(header or {}), **sizes}.items():
            _write_attribute(group, f"EMAN.{key}", value)
        self.count += 1
        return group


def copy_images(source: str, numbers: Iterable[int], path: str) -> None:
    """Write some images of an EMAN2 file to another one: pixels as they are stored, all attributes kept."""
    with (
        _images(source) as images,
        atomic(path) as temporary,
        h5py.File(temporary, "w", libver=LIBVER) as file,
    ):
        new = file.create_group("MDF/images")
        for place, number in enumerate(numbers):
            images.copy(str(number), new, str(place))
        for name, value in images.attrs.items():
            new.attrs[name] = value
        new.attrs["imageid_max"] = np.array([len(new) - 1], np.int32)


def _write_attribute(group: h5py.Group, name: str, value) -> None:
    if isinstance(value, str):
        raw = value.encode() + b"\0"
        group.attrs.create(name, np.array(raw, f"S{len(raw)}"), dtype=h5py.Datatype(_c_string(len(raw))))
        return
    array = np.atleast_1d(np.asarray(value))
    if array.ndim > 1 or array.dtype.kind not in "biuf":
        raise TypeError(f"header {name} cannot be stored: {value!r}")
    if array.dtype.kind in "biu" or not array.size:
        if array.size and (array.max() >= 2**31 or array.min() < -(2**31)):
            raise ValueError(f"header {name} does not fit 32 bits: {value!r}")
        group.attrs[name] = array.astype(np.int32)
    elif np.ndim(value) == 0 and array.dtype == np.float64:
        group.attrs[name] = array
    else:
        group.attrs[name] = array.astype(np.float32)


def _c_string(size: int) -> h5py.h5t.TypeStringID:
    string = h5py.h5t.C_S1.copy()
    string.set_size(size)
    return string


def _python(value):
    """An attribute as the Python value it stands for."""
    if np.size(value) != 1:
        return value
    value = np.asarray(value).item()
    return value.decode(errors="replace") if isinstance(value, bytes) else value


@contextmanager
def _images(path: str) -> Iterator[h5py.Group]:
    """The group of images of an EMAN2 file."""
    if not os.path.isfile(path):
        raise UserError(f"{path} is not there.")
    try:
        file = h5py.File(path, "r")
    except OSError:
        raise UserError(f"{path} is not an HDF5 file, or is damaged or cut short.") from None
    with file:
        images = file.get("MDF/images")
        if not isinstance(images, h5py.Group):
            raise UserError(f"{path} is not in EMAN2's layout: it has no group MDF/images.")
        try:
            yield images
        except DAMAGED as error:
            raise UserError(f"{path} is damaged: {str(error) or type(error).__name__}.") from error


def _count(images: h5py.Group) -> int:
    count = (
        int(np.ravel(images.attrs["imageid_max"])[0]) + 1 if "imageid_max" in images.attrs else len(images)
    )
    if count < 1:
        raise UserError(f"{images.file.filename} holds no images.")
    if count > len(images):
        missing = next(i for i in range(count) if str(i) not in images)
        raise UserError(f"{images.file.filename} has no image {missing}, but counts {count} images.")
    return count


def _shape(path: str, images: h5py.Group, number: int) -> tuple[int, int]:
    """Rows and columns of an image."""
    try:
        dataset = images[f"{number}/image"]
    except KeyError:
        raise UserError(f"{path} has no image {number}.") from None
    if not isinstance(dataset, h5py.Dataset) or dataset.ndim < 2 or dataset.dtype.kind not in "iuf":
        raise UserError(f"{path}: image {number} is no image of numbers.")
    *depth, ny, nx = 1, *dataset.shape
    if max(depth) > 1:
        raise UserError(f"{path} holds volumes (image {number} is {dataset.shape}), but images are needed.")
    return ny, nx


def _attributes(images: h5py.Group, number: int, *names: bytes) -> list:
    """Header values, None where missing; by h5py's low level, for speed with 100,000 images."""
    try:
        group = h5py.h5g.open(images.id, b"%d" % number)
    except ValueError:
        raise UserError(f"{images.file.filename} has no image {number}.") from None
    values = []
    for name in names:
        if not h5py.h5a.exists(group, name):
            values.append(None)
            continue
        attribute = h5py.h5a.open(group, name)
        value = np.empty(attribute.shape, attribute.dtype)
        attribute.read(value)
        values.append(_python(value))
    return values


def _read(path: str, numbers=None, shape: tuple[int, int] | None = None) -> np.ndarray:
    with _images(path) as images:
        numbers = np.arange(_count(images)) if numbers is None else np.atleast_1d(numbers)
        shape = shape or (_shape(path, images, numbers[0]) if len(numbers) else (0, 0))
        out = np.empty((len(numbers), *shape), np.float32)
        for row, number in enumerate(numbers):
            if _shape(path, images, number) != shape:
                raise UserError(f"{path}: image {number} is not {shape[1]} x {shape[0]} pixels as others.")
            out[row] = _decode(images[str(number)])
        return out


def _decode(group: h5py.Group) -> np.ndarray:
    """Pixels of an image; whole numbers stand for grey values between two ends that the header gives."""
    dataset = group["image"]
    pixels = dataset[()].reshape(dataset.shape[-2:])
    if dataset.dtype.kind not in "iu" or not (bits := _python(group.attrs.get("EMAN.stored_renderbits", 0))):
        return pixels
    low, high = (float(_python(group.attrs[f"EMAN.stored_render{end}"])) for end in ("min", "max"))
    return low + (high - low) / (2**bits - 1) * pixels
