"""``GET /v1/users/{userId}/entitlements``: all that a user may do, for a server or the user's browser."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.types import Receive, Scope

from kana.api.access import Door, credential_in
from kana.api.client.context import is_token, user_of
from kana.api.http import Answer, headers_of
from kana.api.scalars import write_time
from kana.api.tags import tagged
from kana.api.v1.addresses import Address
from kana.api.v1.arguments import Arguments
from kana.api.v1.operations import Work, arguments_of, asked
from kana.api.v1.structures import answer_structure, each_of, output_fields
from kana.api.v1.writing import Call, object_writer
from kana.engine.engine import Engine
from kana.engine.turns import in_turns
from kana.engine.users.holdings import Entitled
from kana.errors import Unauthenticated, UserNotFound
from kana.model.environment import Environment
from kana.model.key import KeyKind
from kana.model.text import identifier, shown
from kana.model.user import User

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
            environment, owner = await _caller(scope, engine, door)
            user_id = identifier(self.arguments.of(await asked(scope, receive, 0))[0]["id"], field="userId")
            if owner is not None and owner.id != user_id:
                raise UserNotFound(f"User not found: {shown(user_id)}")
            found = await engine.holdings.entitlements(environment, user_id, owner=owner)
            body = orjson.dumps({"userId": user_id, "features": await in_turns(found, _written)})
            return tagged(body, headers_of(scope))

        return work


async def _caller(scope: Scope, engine: Engine, door: Door) -> tuple[Environment, User | None]:
    """Return the environment of the caller, and who a user token proves them to be."""
    credential = credential_in(headers_of(scope))
    if not is_token(credential):
        return (await door.caller(scope, KeyKind.PRIVATE)).environment, None
    try:
        owner = await user_of(engine, credential)
    except Unauthenticated as error:
        raise door.refusal(scope, error) from None
    return owner.environment, owner


_write = object_writer("Entitlement")


def _written(entitled: Entitled) -> dict[str, Any]:
    resets_at = entitled.resets_at
    return {
        "featureId": entitled.feature.id,
        "type": entitled.feature.type.name,
        **_write(entitled.decision, Call(None)),
        "resetsAt": None if resets_at is None else write_time(resets_at),
    }
