"""Other systems' configuration files, as Tollkeeper's own."""

from tollkeeper.imports.imported import Imported, settled, without_secrets
from tollkeeper.imports.llamakey import import_llamakey
from tollkeeper.imports.llamaxing import import_llamaxing
from tollkeeper.imports.llmproxy import import_llmproxy

__all__ = [
    "Imported",
    "import_llamakey",
    "import_llamaxing",
    "import_llmproxy",
    "settled",
    "without_secrets",
]
