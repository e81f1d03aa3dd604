"""How much of requests waits in memory, by address and in all, and how much is read at once."""

from tollkeeper_server.domain.networks import network_of

UNCOUNTED_BYTES = 8 * 1024
"""What one connection holds before it is counted. It may hold as much however much others do."""
PER_ADDRESS = 24 * 1024 * 1024
IN_ALL = 256 * 1024 * 1024

_READ_BYTES = 256 * 1024
_FEW_BYTES = 4 * 1024


class HeldBytes:
    """Counts the bytes that wait to be read as requests, or for the reader of a body.

    Where an address, or all together, hold more than they may, their connections read little at a time, and
    go on when that was taken. Nobody is refused for it: what waits is taken soon, or is given up in time.
    """

    __slots__ = ("_few", "_in_all", "_much", "_per_address", "_shares", "held")

    def __init__(self, *, per_address: int = PER_ADDRESS, in_all: int = IN_ALL) -> None:
        self._per_address = per_address
        self._in_all = in_all
        self._shares: dict[str, Share] = {}
        # Every connection reads into the same bytes, and copies what came before another one reads.
        self._much = memoryview(bytearray(_READ_BYTES))
        self._few = self._much[:_FEW_BYTES]
        self.held = 0
        """How many bytes are held in all."""

    def join(self, address: str | None) -> "Share":
        """Return the share of an address, which one more connection has. `Share.leave` takes it back."""
        network = network_of(address)
        share = self._shares.get(network)
        if share is None:
            share = self._shares[network] = Share(self, network)
            self.look_at(share)
        share.connections += 1
        return share

    def forget(self, network: str) -> None:
        """Forget the share of an address, which no connection has."""
        del self._shares[network]

    def add(self, share: "Share", size: int) -> None:
        """Count so many bytes more, or fewer, of a share."""
        was_full = self.held > self._in_all
        self.held += size
        if (self.held > self._in_all) == was_full:
            self.look_at(share)
        else:
            for one in self._shares.values():
                self.look_at(one)

    def look_at(self, share: "Share") -> None:
        """Have a share's connections read much or little, as it holds little or much."""
        share.is_tight = share.held > self._per_address or self.held > self._in_all
        share.buffer = self._few if share.is_tight else self._much


class Share:
    """What the connections of one address hold."""

    __slots__ = ("_all", "_network", "buffer", "connections", "held", "is_tight")

    def __init__(self, held: HeldBytes, network: str) -> None:
        self._all = held
        self._network = network
        self.connections = 0
        self.held = 0
        self.is_tight: bool
        """Whether the connections should hold no more than they have to."""
        self.buffer: memoryview
        """Where a connection reads to. It holds until the next one reads."""

    def add(self, size: int) -> None:
        """Count so many bytes more, or fewer."""
        self.held += size
        self._all.add(self, size)

    def leave(self) -> None:
        """Take back a connection, which holds nothing any more."""
        self.connections -= 1
        if not self.connections:
            self._all.forget(self._network)
