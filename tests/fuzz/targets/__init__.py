"""Everything that is fuzzed."""

from tests.fuzz.target import Target
from tests.fuzz.targets.answers import Answers
from tests.fuzz.targets.bodies import Bodies
from tests.fuzz.targets.codings import Codings
from tests.fuzz.targets.events import Events
from tests.fuzz.targets.files import Files
from tests.fuzz.targets.forms import Forms
from tests.fuzz.targets.messages import Messages
from tests.fuzz.targets.requests import Requests
from tests.fuzz.targets.rest import RestCalls

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Requests(),
        Answers(),
        Bodies(),
        Forms(),
        Codings(),
        Events(),
        RestCalls(),
        Messages(),
        Files(),
    )
}
"""The targets by name."""
