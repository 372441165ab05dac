"""Storage of keys, and of the colleagues who sign in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from kana.model.colleague import Colleague, Invitation, Session
from kana.model.environment import Actor, Environment
from kana.model.key import ApiKey, EnvironmentSettings, Keyring, SigningSecret
from kana.model.throttle import Throttle


class KeyStore(Protocol):
    """Stores keys, the settings of environments, and signing secrets."""

    async def initialise(self, keyring: Keyring, *, by: Actor, now: datetime) -> bool:
        """Write the first keyring; return False and write nothing if there is one already."""
        ...

    async def keyring(self) -> Keyring | None:
        """Return the whole keyring as last committed by any process; None before ``initialise``."""
        ...

    async def address(self) -> str | None:
        """Return the address where a server of this workspace was last started; None if there was none."""
        ...

    async def change_address(self, address: str) -> None:
        """Store the address where a server of this workspace is started."""
        ...

    async def add_key(self, key: ApiKey, *, by: Actor, now: datetime) -> None:
        """Add a key."""
        ...

    async def revoke_key(self, key: ApiKey, *, by: Actor, now: datetime) -> None:
        """Revoke a key from now on. Revoking again changes nothing."""
        ...

    async def use_keys(self, uses: Mapping[bytes, datetime]) -> None:
        """Store by hash when keys were last used; a later stored time stays. Unknown keys are ignored."""
        ...

    async def change_settings(
        self,
        environment: Environment,
        change: Callable[[EnvironmentSettings], EnvironmentSettings],
        *,
        by: Actor,
        now: datetime,
    ) -> EnvironmentSettings:
        """Apply a pure change to the settings of one environment under their lock, log it, and return them.

        If nothing changes, nothing is written. What ``change`` raises is raised.
        """
        ...

    async def add_signing_secret(self, secret: SigningSecret, *, by: Actor, now: datetime) -> None:
        """Add a secret, which signs new tokens from now on; tokens signed with older ones stay valid."""
        ...

    async def revoke_signing_secret(self, secret: SigningSecret, *, by: Actor, now: datetime) -> None:
        """Revoke a secret from now on. Revoking again changes nothing."""
        ...

    async def seal_signing_secrets(self, *, plainly: bool = False) -> int:
        """Seal every secret that is not sealed with the newest key; return how many. ``plainly`` removes all seals.

        Those that webhooks are signed with are among them.

        Raises:
            DatabaseRefused: one is sealed with an unknown key; nothing was changed.
        """
        ...

    async def replace_lost_secrets(self, new: Sequence[SigningSecret], *, by: Actor, now: datetime) -> list[str]:
        """Delete secrets that are sealed with an unknown key; return their ids.

        For environments without a secret afterwards, those in ``new`` are added. Endpoints of webhooks whose secret is
        lost are disabled; their ids are returned too.
        """
        ...


class ColleagueStore(Protocol):
    """Stores colleagues, their sessions and invitations. Little data: a workspace has few colleagues."""

    async def colleagues(self) -> Mapping[str, Colleague]:
        """Return all colleagues by address, disabled ones included, the oldest first."""
        ...

    async def change_colleague(
        self, change: Callable[[Mapping[str, Colleague]], Colleague], *, by: Actor, now: datetime
    ) -> Colleague:
        """Apply a pure change to one colleague under a lock, log it, and end what depended on their former state.

        That is their sessions, the open links to their address, and the links they made if they may no longer invite.

        ``change`` may be called again on newer colleagues. What it raises is raised, and nothing is written.
        """
        ...

    async def add_invitation(self, invitation: Invitation, *, by: Actor, now: datetime) -> None:
        """Add an invitation, replace earlier ones to the same address, and delete those that have expired."""
        ...

    async def invitations(self) -> list[Invitation]:
        """Return all unused invitations, expired ones included, in the order in which they expire."""
        ...

    async def withdraw_invitation(self, hashed: bytes, *, by: Actor, now: datetime) -> Invitation | None:
        """Delete an invitation and log it; None if it was used or withdrawn or never existed."""
        ...

    async def invitation(self, hashed: bytes) -> Invitation | None:
        """Return the invitation, expired or not; None if it was used or never existed."""
        ...

    async def invitation_to(self, email: str) -> Invitation | None:
        """Return the invitation to an address, expired or not."""
        ...

    async def accept_invitation(
        self, hashed: bytes, accept: Callable[[Invitation, Mapping[str, Colleague]], Colleague], *, now: datetime
    ) -> Colleague:
        """Use up an invitation and write the colleague that ``accept`` returns, as ``change_colleague`` does.

        If two people use one link, only one succeeds. What ``accept`` raises is raised, and nothing is written.

        Raises:
            NotFound: it was used or never existed.
        """
        ...

    async def add_session(self, session: Session, colleague: Colleague) -> bool:
        """Add a session, and delete those that are over.

        Return False and add none if the colleague was disabled or got another password since they were read.
        """
        ...

    async def session(self, hashed: bytes) -> tuple[Session, Colleague] | None:
        """Return the session, over or not, and its colleague."""
        ...

    async def touch_session(self, hashed: bytes, *, now: datetime) -> None:
        """Store that a session was used."""
        ...

    async def end_session(self, hashed: bytes) -> None:
        """End one session; ending it again changes nothing."""
        ...

    async def end_sessions(self, email: str) -> None:
        """End every session of a colleague."""
        ...

    async def take_try(self, throttles: Sequence[Throttle], *, now: datetime) -> int:
        """Count a try as failed in each throttle and return 0; or count nothing and return how many seconds to wait.

        Simultaneous tries are allowed in the same number as tries one after the other.
        """
        ...

    async def return_try(self, throttles: Sequence[Throttle]) -> None:
        """Take back a try that turned out to be right; a person's own counts start over."""
        ...
