"""Where a user's data is kept, for every noun that reads what is theirs."""

from __future__ import annotations

from kana.errors import UserNotFound
from kana.model.environment import Environment, bucket_of
from kana.model.text import shown
from kana.model.user import UserRef
from kana.store.session import Session


async def load_user_ref(session: Session, environment: Environment, user_id: str) -> UserRef:
    """Return where a user's data is kept.

    Raises:
        UserNotFound: none has this id.
    """
    found = await session.row("load_user_ref", bucket_of(environment, user_id), environment.value, user_id)
    if found is None:
        raise UserNotFound(f"User not found: {shown(user_id)}")
    return UserRef(environment, found[0], found[1], user_id)
