"""The example of a configuration file is one."""

from pathlib import Path

from tollkeeper.configuration import read_document

from tests.unit.management.described import apply, export, told
from tests.unit.management.plane import Plane

EXAMPLE = Path(__file__).parents[3] / "deploy" / "tollkeeper.yaml"
ENVIRONMENT = {"OPENAI_API_KEY": "sk-1", "AZURE_OPENAI_API_KEY": "k", "SUPPORT_BOT_TOKEN": "sk-support"}


async def test_the_example_is_applied_and_names_every_kind(plane: Plane) -> None:
    wanted = read_document(EXAMPLE.read_text(encoding="utf-8"), ENVIRONMENT)

    changes = told(await apply(plane, wanted))

    assert {it.partition(" ")[0] for it in changes} == {
        *("+upstream", "+group", "+model", "+listener", "+gateway", "+project", "+token")
    }
    assert told(await apply(plane, await export(plane), prune=True)) == []
