"""The interface of a store, in parts. Every engine behaves the same (tests/contract).

Every method raises `StoreUnavailableError` if the store does not answer. A write completes even if its
caller is cancelled; reading and summing events stops then, in the database, too. Every invariant holds by a
unique key or an update of one document, so no engine needs transactions across entities;
`mongo/configuration.py` says how it writes a batch as one without them.
"""

import builtins
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from tollkeeper_server.domain.configuration import Batch, Configuration, Entity, Kind
from tollkeeper_server.domain.limit import Charge
from tollkeeper_server.domain.listing import EntityFilter, Page
from tollkeeper_server.domain.placement import Placement
from tollkeeper_server.domain.repricing import NewCost, Repricing
from tollkeeper_server.domain.revision import Bounds, Difference, Revision, RevisionFilter
from tollkeeper_server.domain.session import Session
from tollkeeper_server.domain.standing import BudgetNotice
from tollkeeper_server.domain.token import Token, TokenFilter
from tollkeeper_server.domain.usage import Place, StoredEvent, UsageEvent, UsageFilter, UsageGroup
from tollkeeper_server.domain.usage_sums import Group, Latency

_E = TypeVar("_E", bound=Entity)
TakeGroups = Callable[[Sequence[Group]], None]
"""Takes some of the groups of events."""


class ConfigurationStore(Protocol):
    """Projects, upstreams, groups, models, listeners and the gateway itself: one by one, and as a whole.

    The key of a project is its id, that of any other entity its name. The configuration has a revision,
    which every write moves. Each write is kept in the history (`RevisionStore`), in the same step, with
    `domain.author.present_author` as its author.
    """

    async def revision(self) -> int:
        """Return the number of writes to the configuration so far, a batch counted as one."""

    async def read(self) -> Configuration:
        """Return the whole configuration as it was at one moment: of every write all or nothing."""

    async def write(self, batch: Batch, *, expected: int) -> bool:
        """Write the batch if the configuration's revision is `expected`; return whether it was written.

        The revision moves once. A reader of single entities may see some of the changes before others.
        Raises INVALID_ARGUMENT if the batch is larger than the store can write at once.
        """

    async def get(self, entity_type: type[_E], key: str) -> _E | None:
        """Return the entity with that key, or None."""

    async def find_many(self, entity_type: type[_E], keys: Collection[str]) -> dict[str, _E]:
        """Return the entities with those keys, by key, in one query; a key that has none is left out."""

    async def page(self, entity_type: type[_E], where: EntityFilter, page: Page) -> list[_E]:
        """Return a page of the entities that meet the filter; their orders are KEY, CREATED, UPDATED, NAME.

        Entities that stay as they are come once in the pages of a list, whatever is written meanwhile.
        """

    async def count(self, entity_type: type[Entity], where: EntityFilter, *, most: int) -> int:
        """Return the number of entities that meet the filter, counted up to `most`."""

    async def add(self, entity: Entity) -> None:
        """Add an entity. Raises ALREADY_EXISTS if its key is taken."""

    async def replace(self, entity: Entity, *, expected: int) -> bool:
        """Write the entity if its stored revision is `expected`; return whether it was written."""

    async def delete(self, entity_type: type[Entity], key: str, *, expected: int) -> bool:
        """Remove the entity if its stored revision is `expected`; return whether it was removed."""

    async def list(self, entity_type: type[_E], *, after: str = "", limit: int) -> list[_E]:
        """Return up to `limit` entities with keys greater than `after`, in the order of their keys."""


class RevisionStore(Protocol):
    """The history of the configuration: its revisions. Now and then it is pruned to `Bounds`."""

    async def list(self, where: RevisionFilter, *, before: int | None, limit: int) -> list[Revision]:
        """Return up to `limit` revisions with numbers less than `before` (any if None), newest first.

        With a filter the named changes are those that meet it.
        """

    async def oldest(self) -> int:
        """Return the oldest revision from which `differences` can be found: all that follow it are kept."""

    async def differences(
        self, *, after: int, until: int, behind: tuple[Kind, str] | None = None, limit: int
    ) -> Sequence[Difference] | None:
        """Return up to `limit` entities that the revisions behind `after`, up to `until`, have changed.

        They come by kind and id, from those behind `behind` on. One that was changed back may be among them;
        what was made and is gone again is not. None if not all of these revisions are kept.
        """

    async def prune(self, bounds: Bounds) -> None:
        """Remove the oldest revisions that are beyond the bounds."""


class TokenStore(Protocol):
    """Tokens by id and by digest. They are no part of the configuration and leave its revision alone."""

    async def add(self, token: Token) -> None:
        """Add a token. Raises ALREADY_EXISTS if another token has its digest."""

    async def get(self, token_id: str) -> Token | None:
        """Return the token with that id, or None."""

    async def find(self, digest: str) -> Token | None:
        """Return the token with that digest, or None."""

    async def replace(self, token: Token, *, expected: int) -> bool:
        """Write the token if its stored revision is `expected`; return whether it was written.

        `request_count` and `last_used_at` stay as they are stored. Raises ALREADY_EXISTS as `add` does.
        """

    async def names(self, token_ids: Collection[str]) -> Mapping[str, str]:
        """Return the names of the tokens with those ids, by id; an id that has none is left out."""

    async def changed(self, *, since: datetime, limit: int) -> list[Token]:
        """Return up to `limit` tokens with `updated_at` not before `since`, latest change first."""

    async def admit(self, token_id: str, *, at: datetime) -> bool:
        """Count one request of a token with a limit unless the limit is reached; return whether it counted.

        Atomic: of any number of concurrent calls, no more than `max_requests` in all return True.
        """

    async def page(self, where: TokenFilter, page: Page) -> list[Token]:
        """Return a page of the tokens that meet the filter; their orders are all but CREATED.

        Tokens that stay as they are come once in the pages of a list, whatever is written meanwhile.
        """

    async def count(self, where: TokenFilter, *, most: int) -> int:
        """Return the number of tokens that meet the filter, counted up to `most`."""

    async def allowed_models(self, start: str, *, limit: int) -> list[str]:
        """Return up to `limit` different entries of `allowed_models` that begin with `start`, in order."""

    async def limited(self, *, limit: int) -> builtins.list[Token]:
        """Return up to `limit` tokens that have limits, those that were used latest first."""

    async def last_used(self, project_ids: Collection[str]) -> dict[str, datetime]:
        """Return the time of the last use of any token of each project that has one, by project."""

    async def list(self, *, after: str = "", limit: int, project_id: str = "") -> list[Token]:
        """Return up to `limit` tokens with ids greater than `after`, by id."""


class UsageStore(Protocol):
    """Usage events."""

    async def add(self, events: Sequence[UsageEvent], *, owner: str = "") -> int:
        """Write the events whose ids are not stored yet; return the number of those.

        Of those that amend, and whose ids are stored, surer token counts replace what is stored, with the
        cost, and with the charges if they have some, and nothing else. Any number of processes may write
        them, before or after the event that they amend.

        What `LedgerStore` has of `owner`, the process that writes, grows by the charges of the new events,
        and by what amending ones change of those that are stored: in all it is what the stored events say.

        The new events move `last_used_at` of their tokens, and those with the admission UNLIMITED also
        `request_count`, each once, whatever the limit is by then. `TokenStore.admit` has counted the LIMITED
        ones. Of UNKNOWN ones, calls of upstreams are counted if their token has no limit. A call that fails
        may have written events and not counted them; the same call again counts them.
        """

    async def sum(
        self, where: UsageFilter, *, group_by: Sequence[UsageGroup], time_length: int, take: TakeGroups
    ) -> None:
        """Give `take` the sums of all groups, some at a time, in their order; without events there are none.

        The fields in `group_by`, which are no times, and the first `time_length` characters of the text of
        `started_at` (one of `TIME_LENGTHS`) tell groups apart. A group is a tuple of these, the class of
        status as a number, the time last (empty if its length is 0), and then `SUMS`. `take` is called in
        another thread than the event loop's, one call at a time.
        """

    async def count_times(
        self,
        of: Latency,
        where: UsageFilter,
        *,
        group_by: Sequence[UsageGroup],
        time_length: int,
        take: TakeGroups,
    ) -> None:
        """Give `take` histograms of a length of time, of all groups, as `sum` does.

        Each tuple ends in the number of a bucket (domain/histogram.py) and that of the events in it. A first
        byte that never came is not counted.
        """

    async def get(self, event_id: str) -> UsageEvent | None:
        """Return the event with that id, or None."""

    async def list(self, where: UsageFilter, *, before: str = "", limit: int) -> list[UsageEvent]:
        """Return up to `limit` events with ids less than `before` (any if empty), newest first."""

    async def latest(self) -> int:
        """Return the number of the latest batch that can be read whole, as all before it can.

        Every call of `add` is a batch with a number of its own, higher than those of all batches that could
        be read whole when it began. No event comes to a batch that can be read whole.
        """

    async def number_of(self, event_id: str) -> int | None:
        """Return the number of the batch that has stored an event: 0 if an earlier release has stored it.

        None if there is no such event.
        """

    async def stored(
        self, where: UsageFilter, *, after: Place, until: int, limit: int, amended: bool = False
    ) -> builtins.list[StoredEvent]:
        """Return up to `limit` events that stand behind `after`, up to the batch `until`, in their order.

        With `amended` those whose counts a later batch has made surer, in the order of the latest such batch.
        """


class LedgerStore(Protocol):
    """What is spent of budgets, by key, period and the process that has stored it (`UsageStore.add`)."""

    async def spent(self, keys: Collection[str] | None = None, *, owner: str | None = None) -> list[Charge]:
        """Return what all processes have spent under each of the keys in each period, earlier periods first.

        Without keys, all there is; with an owner, what that process has stored. What comes to nothing may be
        left out.
        """

    async def spent_by_others(self, key: str, period: int, members: Collection[str]) -> int:
        """Return what all processes but these have spent under a key in a period."""

    async def calendars(self) -> set[str]:
        """Return the names of the calendars (`calendar_name`) of the budgets of which something is spent."""

    async def delete_before(self, calendar: str, period: int, *, limit: int) -> int:
        """Remove up to `limit` records of a calendar's periods before this one; return their number."""

    async def fold(self, owner: str, at: int, *, before: int, members: Collection[str], limit: int) -> int:
        """Note that a process lives at a time, and sum up what dead ones have spent in total: a record a key.

        Those are dead that were noted last before `before`, and are none of the members of the ledger that
        processes share; times are seconds since 1970. One that was never noted is noted now. No sum changes,
        whatever fails in between and however many processes do so. Returns the number of records, up to
        `limit`, that are summed up by now and go, at once or in later calls.
        """


class RepricingStore(Protocol):
    """Changes of the costs of stored events, and their trace."""

    async def apply(self, costs: Sequence[NewCost], trace: Repricing) -> None:
        """Give events other costs, each if it has the one that it is said to have, and note it in `trace`.

        If there is a trace with that id, its numbers are added to the present ones. Nothing else of an event
        changes, and nobody who watches is told.
        """

    async def list(self, *, before: str = "", limit: int) -> builtins.list[Repricing]:
        """Return up to `limit` traces with ids less than `before` (any if empty), newest first."""


class NoticeStore(Protocol):
    """Notices of budgets that have reached a threshold."""

    async def add(self, notice: BudgetNotice) -> bool:
        """Add a notice unless there is one of its key, period, amount and percentage; return whether it was.

        Atomic: of any number of concurrent calls for those one returns True.
        """

    async def list(self, *, before: str = "", limit: int) -> builtins.list[BudgetNotice]:
        """Return up to `limit` notices with ids less than `before` (any if empty), newest first."""

    async def delete_before(self, at: datetime, *, limit: int) -> int:
        """Remove up to `limit` notices from before `at`, the oldest first; return their number.

        Those of budgets in total stay, so that none is told again.
        """


class PlacementStore(Protocol):
    """Placements by id."""

    async def add(self, placements: Sequence[Placement]) -> set[str]:
        """Write placements, each in place of the one with its id, unless that is another project's.

        Of several with one id the last stays that is of the first one's project. Returns the ids that were
        not written, since another project has them. Atomic: of any number of concurrent calls for different
        projects, one project gets an id.
        """

    async def find_many(self, placement_ids: Collection[str]) -> dict[str, Placement]:
        """Return the placements with those ids, by id, in one query; an id that has none is left out."""

    async def keeping(self, project_id: str, upstreams: Collection[str]) -> set[str]:
        """Return those of the upstreams that a project has a placement at."""

    async def settle(self, placement_id: str) -> bool:
        """Take the pending usage from the placement with that id; return whether it had any.

        Atomic: of any number of concurrent calls, one returns True.
        """

    async def delete_before(self, at: datetime, *, limit: int) -> int:
        """Remove up to `limit` placements used before `at`, the oldest first; return the number of those."""


class SecretStore(Protocol):
    """Sealed secrets that all processes on a store share, by name."""

    async def keep(self, name: str, sealed: str) -> str:
        """Keep a sealed secret unless the name has one; return the secret that the name has then."""

    async def find(self, name: str) -> str | None:
        """Return the sealed secret with that name, or None."""

    async def replace(self, name: str, sealed: str, *, expected: str) -> bool:
        """Keep `sealed` in the place of `expected` if that is kept; return whether it was written."""


class SessionStore(Protocol):
    """The sessions of people who have signed in, by id and by the digests of their secrets."""

    async def add(self, session: Session) -> None:
        """Add a session, whose id and digests no other one has."""

    async def get(self, session_id: str) -> Session | None:
        """Return the session with that id, or None."""

    async def find(self, digest: str) -> Session | None:
        """Return the session one of whose secrets, the previous and the next included, has that digest."""

    async def rotate(
        self, session_id: str, *, expected: str, following: str, at: datetime, until: datetime
    ) -> bool:
        """Have a session's next secret take the place of the one in use, if that has the digest `expected`.

        `following` becomes the digest of its next secret, `at` the time of the rotation. The secret that was
        in use is the previous one, until `until`. Returns whether it was written. Atomic: of any number of
        concurrent calls with one `expected`, one returns True.
        """

    async def touch(self, session_id: str, *, at: datetime) -> None:
        """Move `last_used_at` of a session to `at` if that is later. Without that session do nothing."""

    async def list(self, token_mark: str, *, before: str = "", limit: int) -> list[Session]:
        """Return up to `limit` sessions of that mark, newest first; ids less than `before`, any if empty."""

    async def delete(self, session_id: str) -> bool:
        """Remove the session with that id; return whether there was one."""

    async def delete_all(self, *, but: str = "") -> int:
        """Remove all sessions, whatever their mark, but the one with the id `but`; return their number."""

    async def delete_ended(self, *, used_before: datetime, created_before: datetime, limit: int) -> int:
        """Remove up to `limit` sessions last used, or begun, before a time; return the number of those."""

    async def delete_surplus(self, *, keep: int) -> int:
        """Remove those that were used least recently but for `keep`; return their number."""


class Store(Protocol):
    """A store: its parts and its life."""

    @property
    def configuration(self) -> ConfigurationStore:
        """The configuration."""

    @property
    def revisions(self) -> RevisionStore:
        """The history of the configuration."""

    @property
    def tokens(self) -> TokenStore:
        """The tokens."""

    @property
    def usage(self) -> UsageStore:
        """The usage events."""

    @property
    def ledger(self) -> LedgerStore:
        """What is spent of budgets."""

    @property
    def repricings(self) -> RepricingStore:
        """The changes of costs."""

    @property
    def notices(self) -> NoticeStore:
        """The notices of budgets."""

    @property
    def placements(self) -> PlacementStore:
        """The placements."""

    @property
    def secrets(self) -> SecretStore:
        """The sealed secrets."""

    @property
    def sessions(self) -> SessionStore:
        """The sessions."""

    async def open(self) -> None:
        """Connect, and bring the schema up to date.

        Raises `StoreCorruptError` if the place holds no store, or one of a newer version.
        """

    async def close(self) -> None:
        """Wait for the calls under way, and disconnect; later calls raise `StoreUnavailableError`.

        So do long reads of usage that are under way: they are stopped.
        """

    async def ping(self) -> None:
        """Return if the store answers."""


class StoreCorruptError(Exception):
    """The place where the store should be can't be used; the message says why and what to do."""
