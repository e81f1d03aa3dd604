"""The tokens of a usage event: what the counts that a provider said mean together."""

from collections.abc import Callable

from msgspec import Struct

from tollkeeper_server.domain.usage import Confidence, TokenCounts, TokenDetails
from tollkeeper_server.providers.usage import MAX_COUNT, SERVICE_TIERS, SPEEDS, Counts

_NO_DETAILS = TokenDetails()


def to_tokens(
    counts: Counts, images: int, *, completes: bool, estimate: Callable[[], TokenCounts]
) -> TokenCounts:
    """Return counts as usage events have them; what they leave open is taken from an estimate.

    `completes` says that the answer itself is made of tokens. They are exact if prompt and completion were
    said, or follow from what was said. A zero is no count where the estimate finds text.
    """
    said = _resolve(counts, completes=completes)
    if not completes and said.completion is None and said.prompt is not None:
        said.completion = 0
    confidence = Confidence.EXACT
    if not said.prompt or said.completion is None or (completes and not said.completion):
        confidence = _complete(said, estimate(), counts.get("begun", 0))
    prompt, completion = said.prompt or 0, said.completion or 0
    return TokenCounts(
        prompt=prompt,
        completion=completion,
        cached=min(said.cached, prompt),
        reasoning=min(said.reasoning, completion),
        audio_milliseconds=said.audio,
        images=images,
        confidence=confidence,
        details=_details(counts, min(said.cached, prompt), prompt, completion),
    )


_IN_DETAILS = frozenset(
    {
        "written",
        "wrote",
        "audio_prompt",
        "audio_completion",
        "image_prompt",
        "searches",
        "file_searches",
        "tier",
        "speed",
    }
)


def _details(counts: Counts, cached: int, prompt: int, completion: int) -> TokenDetails | None:
    """Return what was said of parts of prompt and completion, and of the kind of service, if anything."""
    if _IN_DETAILS.isdisjoint(counts):
        return None
    get = counts.get
    written = min(get("written", 0) or get("wrote", 0), prompt - cached)
    details = TokenDetails(
        cache_written=written,
        cache_written_hour=min(get("written_hour", 0), written),
        audio_prompt=min(get("audio_prompt", 0), prompt),
        audio_completion=min(get("audio_completion", 0), completion),
        image_prompt=min(get("image_prompt", 0), prompt),
        web_searches=get("searches", 0),
        file_searches=get("file_searches", 0),
        service_tier=SERVICE_TIERS[get("tier", 0)],
        speed=SPEEDS[get("speed", 0)],
    )
    return None if details == _NO_DETAILS else details


def _complete(said: "_Said", guessed: TokenCounts, begun: int) -> Confidence:
    """Take from an estimate what was not said, and return the confidence that all then has."""
    if (said.prompt == 0 and guessed.prompt) or (said.completion == 0 and guessed.completion):
        said.prompt, said.completion, said.total = said.prompt or None, said.completion or None, None
    if said.prompt is not None and said.completion is not None:
        return Confidence.EXACT
    timed = said.prompt is said.completion is said.total is None and said.audio > 0
    if said.prompt is None:
        said.prompt = guessed.prompt if said.total is None else min(guessed.prompt, said.total)
    if said.completion is None:
        said.completion = guessed.completion if said.total is None else max(said.total - said.prompt, 0)
        said.completion = max(said.completion, begun)
    exact = timed and guessed.confidence is Confidence.NONE
    return Confidence.EXACT if exact else Confidence.ESTIMATED


class _Said(Struct):
    """What was said, None where nothing was. Prompt includes cached, completion includes reasoning."""

    prompt: int | None
    completion: int | None
    total: int | None
    cached: int
    reasoning: int
    audio: int


def _resolve(counts: Counts, *, completes: bool) -> _Said:
    get = counts.get
    said = _Said(
        get("prompt"),
        get("completion"),
        get("total"),
        get("cached") or get("read", 0),
        get("reasoning", 0),
        get("audio", 0),
    )
    through_cache = get("read", 0) + get("written", 0)
    if not said.prompt and "input" in counts:
        said.prompt = counts["input"]
        if "cached" not in counts:
            said.prompt += through_cache  # Anthropic's input excludes it
    elif said.prompt is not None and through_cache > said.prompt:
        # What is less than its parts excludes them, or, where LiteLLM's proxy counts so, what was written.
        within = get("read", 0) <= said.prompt and _adds_up(said)
        said.prompt += through_cache - get("read", 0) if within else through_cache
    if said.total is not None:
        _use_total(said, said.total, said.cached + get("written", 0), completes=completes)
    elif said.completion is not None and said.reasoning > said.completion:
        said.completion += said.reasoning
    if said.prompt is not None:
        said.prompt = min(said.prompt, MAX_COUNT)
    if said.completion is not None:
        said.completion = min(said.completion, MAX_COUNT)
    return said


def _adds_up(said: _Said) -> bool:
    return said.total is not None and said.total == (said.prompt or 0) + (said.completion or 0)


def _use_total(said: _Said, total: int, through_cache: int, *, completes: bool) -> None:
    """Take from the total what was not said, or was said beside what it belongs to."""
    if said.prompt == 0 and total > (said.completion or 0):
        said.prompt, said.completion = None, said.completion or None
    if not completes and not said.completion:
        said.prompt = max(said.prompt or 0, total)
    elif said.prompt is None and said.completion is not None:
        said.prompt = max(total - said.completion, 0)
    elif said.completion is None and said.prompt is not None:
        said.completion = max(total - said.prompt, 0)
    elif said.prompt is not None and said.completion is not None:
        excess = total - said.prompt - said.completion
        if excess <= 0:
            return
        if excess != said.reasoning and excess in {said.cached, through_cache}:
            said.prompt += excess
        else:  # reasoning, as xAI says it beside the completion, and Gemini in the total alone
            said.completion += excess
