"""The one place that imports cv2: a system without its libraries is told the command that installs them."""

from types import ModuleType

from strive.configs.errors import MissingError


def import_cv2() -> ModuleType:
    """The cv2 module, or `MissingError` (exit 5) when OpenCV or a shared library that it needs is not there."""
    try:
        import cv2
    except ImportError as error:
        raise MissingError(
            f"OpenCV cannot be loaded ({error})", "the opencv-python package and the system libraries it needs",
            "On Debian or Ubuntu: apt-get install -y libgl1 libglib2.0-0 (or install opencv-python-headless instead).",
        ) from error
    return cv2
