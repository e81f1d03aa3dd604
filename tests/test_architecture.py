"""Who may import whom, names that files may not have, and that rules and documents name files that exist."""

import ast
import posixpath
import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SERVER = "server/tollkeeper_server"
CLIENT = "clients/python/tollkeeper"

# room -> the modules of the server it may import besides its own, each with all that is below it
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "domain": set(),
    "telemetry": {"domain"},
    "settings": {"domain"},
    "pem": set(),
    "simulator": set(),
    "store": {"domain", "errors", "telemetry"},
    "ledger": {"domain", "errors", "telemetry", "store.ports"},
    "providers": {"domain", "errors"},
    "prices": {"domain"},
    "snapshot": {
        "domain",
        "errors",
        "telemetry",
        "store.ports",
        "store.sealed",
        "providers",
        "prices",
        "ledger.meter",
    },
    "coordination": {"domain", "errors", "telemetry", "store.ports"},
    "dataplane": {
        "domain",
        "errors",
        "telemetry",
        "store.ports",
        "coordination.ports",
        "ledger",
        "prices",
        "providers",
        "snapshot",
    },
    "management": {
        "domain",
        "errors",
        "telemetry",
        "store.ports",
        "store.sealed",
        "store.trial",
        "coordination.ports",
        "pem",
        "providers",
        "snapshot.rules",
    },
    "http1": {
        "domain",
        "errors",
        "pem",
        "providers.dialects.openai",
        "snapshot.model",
        "telemetry.once_a_minute",
        "telemetry.shortages",
        "dataplane.caller",
        "dataplane.transport",
    },
    "doors": {"domain", "errors", "telemetry", "snapshot.model", "dataplane", "management", "http1"},
}
# These put the rest together and may import all of it.
COMPOSITION = {"__init__", "__main__", "process"}
# Here only the standard library and codecs are imported.
PURE = ("domain/*", "telemetry/*", "errors.py", "providers/*", "prices/*")
CODECS = {"msgspec"}
# library -> the only files that may import it
ONLY_IN = {
    "pymongo": ("store/mongo/*",),
    "bson": ("store/mongo/*",),
    "sqlite3": ("store/sqlite/*",),
    "redis": ("coordination/redis/*",),
    "grpc": ("doors/*",),
    "grpc_health": ("doors/*",),
    "grpc_reflection": ("doors/*",),
    "grpc_status": ("doors/*",),
    "h2": ("doors/http2/*",),
    "hypercorn": ("doors/console.py",),
    "quart": ("doors/*",),
    "uvicorn": ("simulator/*",),
    "aiohappyeyeballs": ("http1/client/*", "process/loop.py"),
    "aiohttp": (),
    "httptools": ("http1/*",),
    "tenacity": ("process/takeover.py", "store/sqlite/schema.py"),
    "google": ("management/*", "doors/*"),
    "prometheus_client": ("doors/metrics/*",),
    "re2": ("snapshot/regexes.py",),
    "protovalidate": ("management/*", "doors/*"),
    "tollkeeper": (
        "management/*",
        "doors/*",
        "process/commands.py",
        "process/configure.py",
        "process/demo.py",
    ),
}
APPLICATION = "webui/src"
# An import, or an export of what another file has: whether it is of types alone, and from where.
TYPESCRIPT_IMPORT = re.compile(
    r"""\b(?:import|export)(?:(?P<type>\s+type)\b)?(?:[^"';()]*?\bfrom)?\s*\(?\s*["'](?P<name>[^"'\n]+)["']"""
)
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}


def imports(source: str) -> Iterator[str]:
    """Yield what a module imports, by full name: `a.b.c` for `from a.b import c`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield from (f"{start}.{alias.name}" for alias in node.names)


def is_below(name: str, modules: set[str]) -> bool:
    """Return whether `name` is one of `modules` or in one of them."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def refused(path: str, imported: str) -> bool:
    """Return whether the server's file `path`, relative to its package, may not import that."""
    library, _, rest = imported.partition(".")
    room = path.partition("/")[0].removesuffix(".py")
    if not library:
        return True  # relative: full names are found by searching for them
    if library == "tollkeeper_server":
        return room not in COMPOSITION and not is_below(rest, ROOMS[room] | {room})
    if any(fnmatch(path, pattern) for pattern in PURE) and library not in sys.stdlib_module_names:
        return library not in CODECS
    return library in ONLY_IN and not any(fnmatch(path, pattern) for pattern in ONLY_IN[library])


def sources(folder: str) -> list[Path]:
    """Return the Python files below a folder of the repository."""
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, f"{folder} has no Python files; is the name right?"
    return found


def application_refuses(path: str, name: str, *, is_type: bool) -> bool:
    """Return whether the application's file `path`, relative to its sources, may not import that.

    `app/`, and `main.tsx` beside it, may import all below them; a feature itself, `shared/`, and the types in
    the `index.ts` of another feature; `shared/` itself alone.
    """
    if not name.startswith("."):
        return False  # a package
    imported = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
    (layer, *own), (other_layer, *other) = path.split("/"), imported.split("/")
    if layer == "features" and other_layer == "features" and own[:1] != other[:1]:
        return not is_type or other[1:] not in ([], ["index"])
    order = ["shared", "features", "app", "main.tsx"]
    return other_layer not in order or order.index(other_layer) > order.index(layer)


def test_every_import_keeps_to_the_rules() -> None:
    broken = [
        f"{path}: {imported}"
        for file in sources(SERVER)
        for path in [file.relative_to(ROOT / SERVER).as_posix()]
        for imported in imports(file.read_text(encoding="utf-8"))
        if refused(path, imported)
    ]
    assert broken == []


@pytest.mark.parametrize("package", [SERVER, CLIENT])
def test_no_imports_go_in_a_circle(package: str) -> None:
    top = Path(package).name
    names = {
        ".".join((top, *file.relative_to(ROOT / package).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): file
        for file in sources(package)
    }
    graph = {
        name: {
            one
            for imported in imports(file.read_text(encoding="utf-8"))
            for one in (imported, imported.rpartition(".")[0])
            if one in names and one != name and names[one].name != "__init__.py"
        }
        for name, file in names.items()
        if file.name != "__init__.py"
    }
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_the_applications_imports_run_one_way() -> None:
    files = sorted(it for it in (ROOT / APPLICATION).rglob("*") if it.suffix in {".ts", ".tsx"})
    found = [
        (file.relative_to(ROOT / APPLICATION).as_posix(), match["name"], match["type"] is not None)
        for file in files
        for match in TYPESCRIPT_IMPORT.finditer(file.read_text(encoding="utf-8"))
    ]
    assert ("main.tsx", "./app/App", False) in found
    broken = [f"{path}: {name}" for path, name, it in found if application_refuses(path, name, is_type=it)]
    assert broken == []


@pytest.mark.parametrize(
    ("path", "statement", "allowed"),
    [
        ("main.tsx", 'import { App } from "./app/App";', True),
        ("app/router.tsx", 'const page = () => import("../features/usage/pages/UsagePage");', True),
        ("app/App.tsx", 'import "../main";', False),
        (
            "features/tokens/pages/TokensPage.tsx",
            'import {\n  a,\n  b,\n} from "../../../shared/url/search";',
            True,
        ),
        ("features/tokens/pages/TokensPage.tsx", 'import { find } from "../queries";', True),
        ("features/tokens/pages/TokensPage.tsx", 'import type { Project } from "../../projects";', True),
        (
            "features/tokens/pages/TokensPage.tsx",
            'import type { Project } from "../../projects/index";',
            True,
        ),
        ("features/tokens/pages/TokensPage.tsx", 'import { list } from "../../projects";', False),
        (
            "features/tokens/pages/TokensPage.tsx",
            'import type { Project } from "../../projects/queries";',
            False,
        ),
        ("features/tokens/pages/TokensPage.tsx", 'import { theme } from "../../../app/theme";', False),
        ("features/tokens/index.ts", 'export { list } from "../projects";', False),
        ("shared/api/transport.ts", 'import { session } from "../../features/session/session";', False),
        ("shared/api/transport.ts", 'export type { Range } from "../url/range";', True),
        ("shared/api/transport.ts", 'import { Code } from "@connectrpc/connect";', True),
    ],
)
def test_the_rules_of_the_applications_imports(path: str, statement: str, allowed: bool) -> None:
    (match,) = TYPESCRIPT_IMPORT.finditer(statement)
    assert application_refuses(path, match["name"], is_type=match["type"] is not None) is not allowed


def test_the_client_does_not_know_the_server() -> None:
    broken = [
        str(file)
        for file in sources(CLIENT)
        if any(is_below(name, {"tollkeeper_server"}) for name in imports(file.read_text(encoding="utf-8")))
    ]
    assert broken == []


def test_every_room_has_a_rule() -> None:
    rooms = {file.relative_to(ROOT / SERVER).parts[0].removesuffix(".py") for file in sources(SERVER)}
    assert rooms <= ROOMS.keys() | COMPOSITION


def test_every_rule_is_about_files_that_exist() -> None:
    files = [file.relative_to(ROOT / SERVER).as_posix() for file in sources(SERVER)]
    patterns = [*PURE, *(pattern for patterns in ONLY_IN.values() for pattern in patterns)]
    assert [it for it in patterns if not any(fnmatch(file, it) for file in files)] == []
    modules = {file.removesuffix(".py").replace("/", ".") for file in files}
    allowed = ROOMS.keys() | COMPOSITION | {module for room in ROOMS.values() for module in room}
    assert [it for it in allowed if not any(is_below(module, {it}) for module in modules)] == []


def test_documents_and_sources_name_files_that_exist() -> None:
    folders = (SERVER, CLIENT, "bench", "proto", "prices", "tests", "deploy")
    files = [f"/{file.relative_to(ROOT).as_posix()}" for folder in folders for file in sources(folder)]
    files += [f"/{file.relative_to(ROOT).as_posix()}" for file in (ROOT / "webui").glob("*.py")]
    texts = [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *sources(SERVER), *sources("bench")]
    missing = [
        f"{text.relative_to(ROOT)}: {name}"
        for text in texts
        for name in re.findall(r"[a-z_0-9/]+\.py\b", text.read_text(encoding="utf-8"))
        if not any(file.endswith(f"/{name}") for file in files)
    ]
    assert missing == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    vague = [
        str(file)
        for folder in (SERVER, CLIENT, "tests")
        for file in sources(folder)
        if VAGUE_NAMES & {file.stem, file.parent.name}
    ]
    assert vague == []


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("dataplane/reply/stream.py", "from tollkeeper_server.management import chain"),
        ("dataplane/reply/stream.py", "import pymongo.errors"),
        ("dataplane/reply/stream.py", "from google.protobuf import message"),
        ("dataplane/reply/stream.py", "from tollkeeper_server.store import sqlite"),
        ("domain/token.py", "from tollkeeper_server.errors import Reason"),
        ("domain/token.py", "import yaml"),
        ("providers/azure.py", "from tollkeeper_server.snapshot.model import Target"),
        ("providers/dialects/openai.py", "import re2"),
        ("management/chain/chain.py", "import grpc.aio"),
        ("management/chain/chain.py", "from quart import Quart"),
        ("ledger/drain.py", "from tollkeeper_server.store.sqlite.store import SqliteStore"),
        ("store/ports.py", "import sqlite3"),
        ("doors/rest/door.py", "from tollkeeper_server.store.ports import Store"),
        ("doors/rest/door.py", "from . import status"),
        ("snapshot/watch.py", "def f():\n    import redis.asyncio"),
    ],
)
def test_the_rules_refuse(path: str, statement: str) -> None:
    assert any(refused(path, imported) for imported in imports(statement))


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("dataplane/plane.py", "from tollkeeper_server.store.ports import TokenStore"),
        ("dataplane/plane.py", "from tollkeeper_server.dataplane import relay"),
        ("domain/token.py", "import hmac, msgspec"),
        ("management/chain/chain.py", "from tollkeeper.v1 import token_service_pb2"),
        ("store/mongo/usage.py", "from pymongo.errors import BulkWriteError"),
        ("process/app.py", "from tollkeeper_server.doors.grpc import GrpcListener"),
    ],
)
def test_the_rules_allow(path: str, statement: str) -> None:
    assert not any(refused(path, imported) for imported in imports(statement))
