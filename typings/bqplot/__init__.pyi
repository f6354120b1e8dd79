# bqplot registers its classes with untyped decorators: pyright takes the classes for modules.
from typing import Any

def __getattr__(name: str) -> Any: ...
