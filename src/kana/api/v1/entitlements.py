"""``GET /v1/users/{userId}/entitlements``: all that a user may do, for a server or the user's browser."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.types import Receive, Scope

from kana.api.access import Door
from kana.api.client.context import reader_of
from kana.api.http import Answer, headers_of
from kana.api.tags import tagged
from kana.api.v1.addresses import Address
from kana.api.v1.arguments import Arguments
from kana.api.v1.operations import Work, arguments_of, asked
from kana.api.v1.structures import answer_structure, each_of, output_fields
from kana.api.v1.writing import Call, object_writer
from kana.engine.engine import Engine
from kana.engine.turns import in_turns
from kana.engine.users.holdings import Entitled
from kana.errors import UserNotFound
from kana.model.period import optional_time_text
from kana.model.text import identifier, shown

READABLE = b"etag, retry-after, x-request-id"
"""The headers that a page may read."""


class Entitlements:
    """The address, which also takes a user token: then for the user's own entitlements alone.

    The answer has an ETag. Sent again as If-None-Match, it is answered with 304 and no body for as long as nothing
    changed.
    """

    description = (
        "All that a user may do now: every feature that anything gives them, each as a check of one unit answers it, in"
        " the order in which the features were created. With a user token only the user's own. Send the ETag of the"
        " last answer as If-None-Match, and the answer is 304 while nothing has changed."
    )

    def __init__(self, address: Address) -> None:
        self.address = address
        self.arguments = Arguments(address, arguments_of("user"), {})
        feature = answer_structure(
            "FeatureEntitlement",
            [
                ("featureId", str, ""),
                *(each for each in output_fields("Feature") if each[0] == "type"),
                *output_fields("Entitlement"),
                *(each for each in output_fields("LimitOutlook") if each[0] == "resetsAt"),
            ],
            description="What a user may do with one feature now, for one unit.",
        )
        self.output = answer_structure("Entitlements", [("userId", str, ""), ("features", each_of(feature), "")])

    def work(self, engine: Engine, door: Door) -> Work:
        """Return the work of the address."""

        async def work(scope: Scope, receive: Receive) -> Answer:
            environment, owner = await reader_of(scope, engine, door)
            user_id = identifier(self.arguments.of(await asked(scope, receive, 0))[0]["id"], field="userId")
            if owner is not None and owner.id != user_id:
                raise UserNotFound(f"User not found: {shown(user_id)}")
            found = await engine.holdings.entitlements(environment, user_id, owner=owner)
            body = orjson.dumps({"userId": user_id, "features": await in_turns(found, _written)})
            return tagged(body, headers_of(scope))

        return work


_write = object_writer("Entitlement")


def _written(entitled: Entitled) -> dict[str, Any]:
    return {
        "featureId": entitled.feature.id,
        "type": entitled.feature.type.name,
        **_write(entitled.decision, Call(None)),
        "resetsAt": optional_time_text(entitled.resets_at),
    }
