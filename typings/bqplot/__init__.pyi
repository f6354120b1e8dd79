# bqplot registers its classes with untyped decorators, through which pyright takes them for modules.
from typing import Any

def __getattr__(name: str) -> Any: ...
