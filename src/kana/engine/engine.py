"""The engine: all verbs, on one store."""

from __future__ import annotations

import random
from collections.abc import Callable

from kana.engine.access.access import AccessEngine
from kana.engine.access.colleagues import ColleagueEngine, Passwords
from kana.engine.catalog.catalog import CatalogEngine
from kana.engine.catalog.config import ConfigEngine
from kana.engine.ids import IdMaker
from kana.engine.notifications.notifications import NotificationEngine
from kana.engine.ports.clock import Clock, Meter
from kana.engine.ports.store import Store
from kana.engine.ports.webhooks import Sender
from kana.engine.segment.mapping import MappingEngine
from kana.engine.segment.replay import Replayer
from kana.engine.segment.segment import SegmentEngine
from kana.engine.usage.explaining import ExplainingEngine
from kana.engine.usage.insights import InsightEngine
from kana.engine.usage.ledger import LedgerEngine
from kana.engine.usage.recorder import Recorder
from kana.engine.usage.reserving import ReservingEngine
from kana.engine.usage.usage import UsageEngine
from kana.engine.users.accounts import AccountEngine
from kana.engine.users.bulk_changes import BulkChangeEngine
from kana.engine.users.deletions import DeletionEngine
from kana.engine.users.directory import DirectoryEngine
from kana.engine.users.exports import ExportEngine
from kana.engine.users.giving import GivingEngine
from kana.engine.users.holdings import HoldingEngine
from kana.engine.users.imports import ImportEngine
from kana.engine.users.merges import MergeEngine
from kana.engine.users.profile import ProfileEngine
from kana.engine.webhooks.delivering import Deliverer
from kana.engine.webhooks.webhooks import WebhookEngine
from kana.model.segment import Message, SegmentEvent
from kana.model.value import value_object


@value_object()
class Engine:
    """What the APIs, the dashboard and the commands call: each group of verbs, on one store, with one clock."""

    access: AccessEngine
    accounts: AccountEngine
    bulk_changes: BulkChangeEngine
    catalog: CatalogEngine
    colleagues: ColleagueEngine
    config: ConfigEngine
    deletions: DeletionEngine
    directory: DirectoryEngine
    exports: ExportEngine
    merges: MergeEngine
    explaining: ExplainingEngine
    giving: GivingEngine
    imports: ImportEngine
    profiles: ProfileEngine
    holdings: HoldingEngine
    insights: InsightEngine
    notifications: NotificationEngine
    ledger: LedgerEngine
    usage: UsageEngine
    recorder: Recorder
    reserving: ReservingEngine
    segment: SegmentEngine
    mapping: MappingEngine
    replayer: Replayer
    webhooks: WebhookEngine
    deliverer: Deliverer
    clock: Clock

    @classmethod
    def over(
        cls,
        store: Store,
        *,
        clock: Clock,
        meter: Meter,
        passwords: Passwords,
        sender: Sender,
        read_again: Callable[[SegmentEvent], Message] | None = None,
    ) -> Engine:
        """Return the engine on a store. Without ``read_again`` no event of Segment can be tried again."""
        ids = IdMaker(clock)
        recorder = Recorder(store.ledger, clock=clock, ids=ids, meter=meter)
        usage = UsageEngine(store.ledger, recorder, clock=clock, meter=meter)
        segment = SegmentEngine(
            store.segment, store.users, usage, clock=clock, ids=ids, meter=meter, read_again=read_again
        )
        replayer = Replayer(store.segment, segment.carry_out, clock=clock, again=segment.again)
        deliverer = Deliverer(store.webhooks, sender, clock=clock, chance=random.random)
        return cls(
            access=AccessEngine(store.keys, clock=clock),
            accounts=AccountEngine(store.users, clock=clock, ids=ids),
            bulk_changes=BulkChangeEngine(
                store.bulk_changes, store.users, store.catalogs, store.ledger, clock=clock, ids=ids
            ),
            catalog=CatalogEngine(store.catalogs, clock=clock),
            colleagues=ColleagueEngine(store.colleagues, clock=clock, passwords=passwords),
            config=ConfigEngine(store.catalogs, clock=clock),
            deletions=DeletionEngine(store.deletions, clock=clock),
            directory=DirectoryEngine(store.users, store.ledger, clock=clock),
            exports=ExportEngine(store.exports),
            merges=MergeEngine(store.merges, clock=clock, ids=ids),
            explaining=ExplainingEngine(store.ledger, store.catalogs, clock=clock),
            giving=GivingEngine(store.users, clock=clock, ids=ids),
            imports=ImportEngine(store.imports, clock=clock, ids=ids),
            profiles=ProfileEngine(store.users, store.ledger, clock=clock),
            holdings=HoldingEngine(store.users, store.ledger, clock=clock),
            insights=InsightEngine(store.insights, store.catalogs, store.ledger, clock=clock),
            notifications=NotificationEngine(store.notifications, clock=clock),
            ledger=LedgerEngine(store.ledger, store.catalogs),
            usage=usage,
            recorder=recorder,
            reserving=ReservingEngine(store.reservations, store.ledger, recorder, clock=clock),
            segment=segment,
            mapping=MappingEngine(store.segment, store.catalogs, clock=clock, ids=ids, on_change=replayer.wake),
            replayer=replayer,
            webhooks=WebhookEngine(store.webhooks, sender, clock=clock, ids=ids, on_change=deliverer.wake),
            deliverer=deliverer,
            clock=clock,
        )
