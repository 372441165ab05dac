"""The engine: all verbs over one store."""

from __future__ import annotations

from collections.abc import Callable

from kana.engine.access.access import AccessEngine
from kana.engine.catalog.catalog import CatalogEngine
from kana.engine.ids import IdMaker
from kana.engine.ports.clock import Clock, Meter
from kana.engine.ports.store import Store
from kana.engine.segment.mapping import MappingEngine
from kana.engine.segment.replay import Replayer
from kana.engine.segment.segment import SegmentEngine
from kana.engine.usage.insights import InsightEngine
from kana.engine.usage.recorder import Recorder
from kana.engine.usage.usage import UsageEngine
from kana.engine.users.accounts import AccountEngine
from kana.engine.users.directory import DirectoryEngine
from kana.engine.users.holdings import HoldingEngine
from kana.engine.users.profile import ProfileEngine
from kana.engine.users.rosters import RosterEngine
from kana.model.segment import Message, SegmentEvent
from kana.model.value import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """What faces call: one of each verb's kind, over one store, with one clock."""

    access: AccessEngine
    accounts: AccountEngine
    catalog: CatalogEngine
    directory: DirectoryEngine
    rosters: RosterEngine
    profiles: ProfileEngine
    holdings: HoldingEngine
    insights: InsightEngine
    usage: UsageEngine
    recorder: Recorder
    segment: SegmentEngine
    mapping: MappingEngine
    replayer: Replayer
    clock: Clock

    @classmethod
    def over(
        cls,
        store: Store,
        *,
        clock: Clock,
        meter: Meter,
        read_again: Callable[[SegmentEvent], Message] | None = None,
    ) -> Engine:
        """Return the engine over a store. Without ``read_again`` no event of Segment is tried again."""
        ids = IdMaker(clock)
        recorder = Recorder(store, clock=clock, reserve_ids=ids.reserve, meter=meter)
        usage = UsageEngine(store, recorder, clock=clock, meter=meter)
        segment = SegmentEngine(store, usage, clock=clock, ids=ids, meter=meter, read_again=read_again)
        replayer = Replayer(store, segment.carry_out, clock=clock, again=segment.again)
        return cls(
            access=AccessEngine(store, clock=clock),
            accounts=AccountEngine(store, clock=clock, ids=ids),
            catalog=CatalogEngine(store, clock=clock),
            directory=DirectoryEngine(store, store, clock=clock),
            rosters=RosterEngine(store, clock=clock, ids=ids),
            profiles=ProfileEngine(store, store, clock=clock),
            holdings=HoldingEngine(store, store, clock=clock),
            insights=InsightEngine(store, store, store, clock=clock),
            usage=usage,
            recorder=recorder,
            segment=segment,
            mapping=MappingEngine(store, clock=clock, ids=ids, on_change=replayer.wake),
            replayer=replayer,
            clock=clock,
        )
