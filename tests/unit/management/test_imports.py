"""What is imported from other systems' files is a configuration that a gateway takes."""

import json
from pathlib import Path

import pytest
from tollkeeper.imports import Imported, import_llamakey, import_llamaxing, import_llmproxy
from tollkeeper_server.domain.project import Project
from tollkeeper_server.management.header_rules import OWN
from tollkeeper_server.providers.registry import CREDENTIAL_HEADERS

from tests.unit.clients.imports import test_llamakey, test_llamaxing
from tests.unit.management.described import apply, told
from tests.unit.management.plane import Plane

FILES = Path(__file__).parents[1] / "clients" / "imports" / "files"


def llmproxy(name: str) -> Imported:
    return import_llmproxy((FILES / name).read_text(encoding="utf-8"), {})


def llamaxing() -> Imported:
    files = [json.dumps(test_llamaxing.MODELS), json.dumps(test_llamaxing.IDENTITIES), "AUTH_METHOD=apikey"]
    return import_llamaxing(files, {"DEPLOYMENT": "gpt4-eu"})


@pytest.mark.parametrize("name", sorted(it.name for it in FILES.iterdir()))
async def test_an_llmproxy_file_is_applied(plane: Plane, name: str) -> None:
    configuration = llmproxy(name).resolved({})

    changes = told(await apply(plane, configuration))

    parts = (configuration.upstreams, configuration.groups, configuration.listeners)
    assert len(changes) == sum(len(it) for it in parts)
    assert told(await apply(plane, configuration, prune=True)) == []


async def test_llamaxings_files_are_applied(plane: Plane) -> None:
    configuration = llamaxing().resolved({"OPENAI_API_KEY": "sk-1"})

    changes = told(await apply(plane, configuration))

    project = await plane.store.configuration.list(Project, after="", limit=1)
    assert (project[0].description, project[0].labels) == ("App", {"cost_centre": "7"})
    assert {
        "+model gpt-4",
        "+model ada",
        "+project app@example.com",
        "+token app@example.com/llamaxing",
    } < set(changes)
    assert told(await apply(plane, configuration, prune=True)) == []


async def test_llamakeys_environment_is_applied(plane: Plane) -> None:
    configuration = import_llamakey(test_llamakey.WHOLE).resolved({})

    assert "+listener llamakey" in told(await apply(plane, configuration))
    assert told(await apply(plane, configuration, prune=True)) == []


@pytest.mark.parametrize("name", sorted(OWN | CREDENTIAL_HEADERS))
@pytest.mark.parametrize("op", ["insert", "replace", "remove"])
async def test_no_operation_is_imported_that_would_be_refused(plane: Plane, name: str, op: str) -> None:
    found = import_llmproxy(
        f"upstreams: [{{name: a, url: 'https://a', headers: [{{op: {op}, key: {name}, value: x}}]}}]", {}
    )

    assert told(await apply(plane, found.resolved({}))) == ["+upstream a"]
    assert found.notes
