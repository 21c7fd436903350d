"""User-interactive authentication: how a proof is asked for and given.

Owns the fields of `auth` and of the answer 401 that asks for it (Matrix client-server API, "User-Interactive
Authentication API"). What a session is good for, `accounts.interactive` knows; whether a password is right, `logins`.

Whoever has a password proves who they are by it (`m.login.password`). Whoever has none, such as a chatter who came
without an account, proves it by the access token that the request bears, and says so with `m.login.dummy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from aiohttp import web
from pydantic import Field

from owncast_py.accounts.interactive import NoSession, OtherOperation, Session, Sessions, Stage
from owncast_py.accounts.logins import LoginRefused, Logins, Reason
from owncast_py.accounts.model import User
from web.addresses import client_address, tells_apart
from web.api.matrix.callers import Callers
from web.api.matrix.errors import Challenge, MatrixError, ProofWanted
from web.body import Input

TYPES: Mapping[Stage, str] = {Stage.PASSWORD: "m.login.password", Stage.TOKEN: "m.login.dummy"}
USER = "m.id.user"

Text = Annotated[str, Field(max_length=1_000)]


class UserIdentifier(Input):
    """Who somebody is: `m.id.user` with a user id or the name to sign in with."""

    type: Text
    user: Text = ""


class AuthData(Input):
    """A proof, or a session that has one."""

    type: Text = ""
    session: Text = ""
    identifier: UserIdentifier | None = None
    user: Text = ""
    """The older way to say who."""
    password: Text | None = None


def name_of(identifier: UserIdentifier | None, user: str) -> str:
    """Who is named, in either way. Raises MatrixError when nobody is, or in a way that is not known here."""
    if identifier is None:
        if not user:
            raise MatrixError(400, "M_MISSING_PARAM", f'Say who: "identifier": {{"type": "{USER}", "user": "…"}}.')
        return user
    if identifier.type != USER:
        sentence = f"People are known here by an identifier of the type {USER}, not {identifier.type[:60]!r}."
        raise MatrixError(400, "M_INVALID_PARAM", sentence)
    if not identifier.user:
        raise MatrixError(400, "M_MISSING_PARAM", "The identifier names no user.")
    return identifier.user


class Interactive:
    """Asks for proofs and takes them."""

    def __init__(self, logins: Logins, sessions: Sessions, callers: Callers) -> None:
        self._logins = logins
        self._sessions = sessions
        self._callers = callers

    async def prove(self, request: web.Request, auth: AuthData | None, user: User | None, operation: str) -> Session:
        """The session in which it is proven that `user` wants that `operation`; None is somebody without an account.

        Raises ProofWanted with what is asked for, MatrixError for what cannot be a proof, LoginRefused after too
        many attempts, AccountsBusy.
        """
        user_id = user.id if user is not None else ""
        if auth is None or not (auth.session or auth.type):
            raise _asking(self._sessions.begin(user_id, operation, await self._stage(user)))
        if auth.session:
            session = self._resumed(auth.session, user_id, operation)
            # Whoever has set a password meanwhile proves it by that one.
            if session.stage is Stage.TOKEN and await self._stage(user) is not Stage.TOKEN:
                self._sessions.end(session)
                raise _no_session()
        else:
            session = self._sessions.begin(user_id, operation, await self._stage(user))
        # What is proven need not be proven again, so that a request whose answer was lost can be repeated.
        if not session.proven:
            if not auth.type:
                raise _asking(session)
            if auth.type != TYPES[session.stage]:
                sentence = f"What is asked for is {TYPES[session.stage]}, not {auth.type[:60]!r}."
                raise MatrixError(400, "M_UNRECOGNIZED", sentence)
            if session.stage is Stage.PASSWORD:
                await self._check_password(request, auth, user, session)
            session.proven = True
        return session

    def end(self, session: Session) -> None:
        """What it was for must not be done twice."""
        self._sessions.end(session)

    def _resumed(self, session_id: str, user_id: str, operation: str) -> Session:
        try:
            return self._sessions.resume(session_id, user_id, operation)
        except NoSession:
            raise _no_session() from None
        except OtherOperation:
            sentence = "The requested operation has changed since this session began; begin anew."
            raise MatrixError(403, "M_UNKNOWN", sentence) from None

    async def _stage(self, user: User | None) -> Stage:
        return Stage.PASSWORD if user is not None and await self._logins.has_password(user) else Stage.TOKEN

    async def _check_password(self, request: web.Request, auth: AuthData, user: User | None, session: Session) -> None:
        named = await self._logins.find(self._callers.name_in(request, name_of(auth.identifier, auth.user)))
        if named is None or user is None or named.id != user.id:
            raise MatrixError(403, "M_FORBIDDEN", "The proof has to come from the user whose token this is.")
        if auth.password is None:
            raise MatrixError(400, "M_MISSING_PARAM", "The field 'auth.password' is missing.")
        try:
            await self._logins.prove(user, auth.password, tells_apart(client_address(request)))
        except LoginRefused as refused:
            if refused.reason is not Reason.WRONG:
                raise
            self._sessions.failed(session)
            raise _asking(session, str(refused)) from None


def _no_session() -> MatrixError:
    return MatrixError(400, "M_UNKNOWN", "There is no such session any more; begin anew.")


def _asking(session: Session, wrong: str = "") -> ProofWanted:
    """The answer that says which proof is wanted; it is no refusal, so it has no code, unless one was `wrong`."""
    challenge: Challenge = {
        "flows": [{"stages": [TYPES[session.stage]]}],
        "params": {},
        "session": session.id,
    }
    if wrong:
        challenge |= {"completed": [], "errcode": "M_FORBIDDEN", "error": wrong}
    return ProofWanted(challenge)
