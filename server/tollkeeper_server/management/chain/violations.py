"""Violations that protovalidate found, as an error that names every field."""

from collections.abc import Iterator, Sequence
from itertools import islice

from buf.validate import validate_pb2
from google.protobuf.message import Message
from protovalidate import Violation
from tollkeeper.messages import Problem
from tollkeeper.messages.fields import is_map

from tollkeeper_server.errors import TollkeeperError
from tollkeeper_server.management.refusals import refusal_of

_NAME = "letters, digits, dots, dashes and underscores, the first a letter or digit"
WORDS = {
    r"^[0-9]{1,7}([.][0-9]{1,9})?$": "must be dollars, such as 25 or 0.50, with up to nine decimals",
    r"^[\x20-\x7e]*$": "must be printable ASCII, without line breaks",
    r"^[\x21-\x7e]*$": "must be printable ASCII, without spaces or line breaks",
    r"^[\x21-\x7e]{0,128}$": "must be up to 128 printable ASCII characters, without spaces or line breaks",
    r"^[\x21-\x7e]{1,256}$": "must be 1 to 256 printable ASCII characters, without spaces or line breaks",
    r"^[\x21-\x29\x2b-\x7e]{1,256}$": (
        "must be 1 to 256 printable ASCII characters, without spaces, line breaks or *"
    ),
    r"^[\x21-\x29\x2b-\x7e]{0,255}([\x21-\x29\x2b-\x7e]|\*)$": (
        "must be 1 to 256 printable ASCII characters, without spaces or line breaks, and * only at the end"
    ),
    r"^[^:\x00-\x1f\x7f]{0,256}$": (
        "must have 256 characters at the most, and no colon, line break or other control character"
    ),
    r"^[^\x00-\x1f\x7f]*$": "must have no line breaks or other control characters",
    r"^[^\x00-\x08\x0b-\x1f\x7f]*$": "must have no control characters but line breaks and tabs",
    r"^[a-z0-9][a-z0-9_-]{0,62}$": (
        "must be 1 to 63 small letters, digits, underscores and dashes, the first a letter or digit"
    ),
    r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{0,64}$": "must be the name of a header, of up to 64 characters",
    r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$": "must be the name of a header, of 1 to 64 characters",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": f"must be 1 to 64 {_NAME}",
    r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$": f"must be up to 64 {_NAME}",
    r"^[A-Za-z0-9._-]{0,64}$": "must be up to 64 letters, digits, dots, dashes and underscores",
    r"^[A-Z]{0,16}$": "must be a method in capital letters, such as POST",
    r"^[0-9A-Za-z.:\[\]_-]{0,255}:[0-9]{1,5}$": "must be HOST:PORT or :PORT, such as 127.0.0.1:3001",
    r"^/[!$&-;=@-Z_a-z~]{0,255}$": (
        "must be a path of up to 256 characters that begins with /, without spaces, %, ? or #"
    ),
    r"^(/[!$&-.0-;=@-Z_a-z~]+)*$": (
        "must be a path such as /openai: it begins with /, does not end with /, and has no spaces, %, ? or #"
    ),
    r"^(([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9])?$": (
        "must be two times of the UTC day, such as 16:30-00:30"
    ),
    r"^prj_[0-9a-hjkmnp-tv-z]{26}$": "must be the id of a project: prj_ and 26 small letters and digits",
    r"^ses_[0-9a-hjkmnp-tv-z]{26}$": "must be the id of a session: ses_ and 26 small letters and digits",
    r"^tok_[0-9a-hjkmnp-tv-z]{26}$": "must be the id of a token: tok_ and 26 small letters and digits",
}
"""The meaning of every pattern in `proto/`."""


# More are not told. To describe each of thousands would take seconds.
_DESCRIBED = 50


def check_lists(message: Message) -> None:
    """Raise INVALID_ARGUMENT for lists that are longer than their rule allows. No item is looked at."""
    problems = list(islice(_long_lists(message, ""), _DESCRIBED))
    if problems:
        raise refusal_of(problems)


def _long_lists(message: Message, start: str) -> Iterator[Problem]:
    for field, value in message.ListFields():
        if field.message_type is None and not field.is_repeated:
            continue
        where = start + field.name
        rules = field.GetOptions().Extensions[validate_pb2.field]
        if is_map(field):
            if len(value) > rules.map.max_pairs:
                yield Problem(where, f"must have {rules.map.max_pairs:,} pairs at the most")
            continue
        if not field.is_repeated:
            yield from _long_lists(value, f"{where}.")
            continue
        most = rules.repeated.max_items
        if most and len(value) > most:
            yield Problem(where, f"must have {most:,} items at the most")
        elif field.message_type is not None:
            for index, item in enumerate(value):
                yield from _long_lists(item, f"{where}[{index}].")


def refusal(violations: Sequence[Violation]) -> TollkeeperError:
    """Return INVALID_ARGUMENT naming the fields and the rules they broke, never their values."""
    described = violations[:_DESCRIBED]
    return refusal_of(
        (Problem(_path(it), _description(it)) for it in described), len(violations) - len(described)
    )


def _description(violation: Violation) -> str:
    rule, words = violation.proto.rule_id, None
    if rule == "string.pattern":
        words = WORDS.get(str(violation.rule_value))
    elif rule == "enum.not_in":  # what enumerations have in place of nothing
        words = "must be one of its values; leaving it unspecified says nothing"
    return words or violation.proto.message or "is not valid"


def _path(violation: Violation) -> str:
    """Return the field's name, such as `deployments[0].upstream`; empty for the message as a whole."""
    if violation.proto.field is None:
        return ""
    names = []
    for element in violation.proto.field.elements:
        subscript = element.subscript
        names.append(f"{element.field_name}[{subscript.value}]" if subscript else str(element.field_name))
    return ".".join(names)
