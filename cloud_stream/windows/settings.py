"""The shape and the bounds of windows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """The shape and the bounds of windows.

    Attributes:
        widths_ms: Ascending; each a multiple of the first.
        max_cells: Cells (windows of series) in memory per shard and width, but always
            `min_windows` of every series: with fewer, all would live in the store alone.
        min_windows: See `max_cells`.
        idle_ms: Windows that nothing touched for so long leave memory.
        fold_rows: Readings collected before they are folded without waiting.
        rebuilds_per_timer: Pieces (of a meter, a site, the shard or the fleet) that one timer rebuilds at most.
        piece_rows: Rows of `usage` that a piece above the meters reads, about; one window is never cut.
        turn_rows: Rows that one timer reads or makes to rebuild, about: it begins no further piece beyond.
        rest_ms: A site whose windows live in the store is rebuilt again only after this, and so are the shard's sums:
            after an outage that is what its current windows do until they end.
        fleet_windows: Windows per width in memory at the fleet level.
    """

    widths_ms: tuple[int, ...] = (300_000, 1_800_000)
    max_cells: int = 20_000
    min_windows: int = 3
    idle_ms: int = 2_700_000
    fold_rows: int = 50_000
    rebuilds_per_timer: int = 50
    piece_rows: int = 2_500
    turn_rows: int = 10_000
    rest_ms: int = 10_000
    fleet_windows: int = 256
