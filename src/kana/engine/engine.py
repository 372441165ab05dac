"""The engine: all verbs over one store."""

from __future__ import annotations

from collections.abc import Callable

from kana.engine.access import AccessEngine
from kana.engine.accounts import AccountEngine
from kana.engine.catalog import CatalogEngine
from kana.engine.directory import DirectoryEngine
from kana.engine.holdings import HoldingEngine
from kana.engine.ids import IdMaker
from kana.engine.insights import InsightEngine
from kana.engine.mapping import MappingEngine
from kana.engine.ports import Clock, Meter, Store
from kana.engine.profile import ProfileEngine
from kana.engine.recorder import Recorder
from kana.engine.replay import Replayer
from kana.engine.rosters import RosterEngine
from kana.engine.segment import SegmentEngine
from kana.engine.usage import UsageEngine
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
