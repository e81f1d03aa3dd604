"""What a request used, in units that have a price."""

from enum import StrEnum

from msgspec import Struct


class Unit(StrEnum):
    """What a price is for: one of these costs so many pico-dollars.

    The tokens are disjoint: each of a request's is of one kind. `AUDIO` is a second, of which milliseconds
    are counted.
    """

    INPUT = "input"
    """A prompt token of no other kind."""
    CACHED = "cached"
    """A prompt token read from the provider's cache."""
    CACHE_WRITE = "cache_write"
    """A prompt token written to the cache, for five minutes or a time that nobody said."""
    CACHE_WRITE_HOUR = "cache_write_hour"
    """A prompt token written to the cache for an hour."""
    OUTPUT = "output"
    """A completion token of no other kind."""
    REASONING = "reasoning"
    CITATION = "citation"
    AUDIO_INPUT = "audio_input"
    AUDIO_CACHED = "audio_cached"
    AUDIO_OUTPUT = "audio_output"
    IMAGE_INPUT = "image_input"
    IMAGE_CACHED = "image_cached"
    IMAGE_OUTPUT = "image_output"
    VIDEO_INPUT = "video_input"
    VIDEO_OUTPUT = "video_output"
    AUDIO = "audio"
    IMAGE = "image"
    """A whole image; what one of a size and quality costs is `Rates.images`."""
    CHARACTER = "character"
    PAGE = "page"
    ANNOTATED_PAGE = "annotated_page"
    MESSAGE = "message"
    REQUEST = "request"
    WEB_SEARCH = "web_search"
    FILE_SEARCH = "file_search"


PROMPT = frozenset(
    {
        Unit.INPUT,
        Unit.CACHED,
        Unit.CACHE_WRITE,
        Unit.CACHE_WRITE_HOUR,
        Unit.AUDIO_INPUT,
        Unit.AUDIO_CACHED,
        Unit.IMAGE_INPUT,
        Unit.IMAGE_CACHED,
        Unit.VIDEO_INPUT,
    }
)
"""The kinds of tokens that add up to the prompt."""
COMPLETION = frozenset(
    {
        Unit.OUTPUT,
        Unit.REASONING,
        Unit.CITATION,
        Unit.AUDIO_OUTPUT,
        Unit.IMAGE_OUTPUT,
        Unit.VIDEO_OUTPUT,
    }
)
"""The kinds of tokens that add up to the completion."""
TOKENS = PROMPT | COMPLETION
MEASURES = frozenset({Unit.AUDIO, Unit.IMAGE, Unit.CHARACTER, Unit.PAGE, Unit.ANNOTATED_PAGE, Unit.MESSAGE})
"""The units that measure what tokens measure, too: a provider bills by these or by those, or by both."""


class ImageSize(Struct, frozen=True, gc=False):
    """A size and a quality as providers write them, such as `1024x1024` and `high`. Empty is any."""

    size: str = ""
    quality: str = ""


class Consumption(Struct, frozen=True, kw_only=True, gc=False):
    """What one request used. Every token counts in one place: what is cached is not in `input`.

    `more` has the units that few requests use, those of tokens included; none of them twice, and none that
    has a field; that it is one request is not said. Of `Unit.AUDIO` it has milliseconds. `images` are whole
    images and how many of them.
    """

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_hour: int = 0
    output: int = 0
    reasoning: int = 0
    more: tuple[tuple[Unit, int], ...] = ()
    images: tuple[tuple[ImageSize, int], ...] = ()

    @property
    def prompt(self) -> int:
        """How many tokens the prompt had, of all kinds."""
        plain = self.input + self.cached + self.cache_write + self.cache_write_hour
        return plain + sum(count for unit, count in self.more if unit in PROMPT) if self.more else plain

    @property
    def completion(self) -> int:
        """How many tokens the completion had, of all kinds."""
        plain = self.output + self.reasoning
        return plain + sum(count for unit, count in self.more if unit in COMPLETION) if self.more else plain
