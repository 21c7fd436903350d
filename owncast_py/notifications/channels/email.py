"""The email channel: an event as a mail in plain text.

Owns what is written. Handing it to the mail server is `mail_server`'s. An endpoint's document is
`{"email": …, "subject"?: …}`. A mail is the same at each try, Message-ID and date with it: programs that know it
already show it once.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from email.policy import SMTP

import orjson

from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.channels.mail_server import Line, SmtpSettings, hand_over
from owncast_py.notifications.channels.wording import event_data, one_line, text
from owncast_py.notifications.errors import NotificationError
from owncast_py.notifications.model import DOMAIN, Endpoint, Parcel

THREADS = 4
"""Mails that are handed over at once."""
MAIL_SECONDS = 45.0
"""For one mail, from when it is given to a thread. Then its connection is cut."""
MAX_SUBJECT = 200
MAX_TEXT = 64 * 1024
"""Characters of a mail; the rest of a longer event is left out."""
MAX_ADDRESS = 254
NOT_SET_UP = "This server sends no email; set notifications.smtp in config.yaml, and start it again."

_POLICY = SMTP.clone(cte_type="7bit")
"""Not every server has 8BITMIME."""
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_SENTENCES = {
    "STREAM_STARTED": "{name} has gone live",
    "STREAM_STOPPED": "{name} has ended",
    "STREAM_TITLE_UPDATED": "{name} has a new title",
    "STORAGE_TROUBLE": "The store of segments is in trouble",
    "STORAGE_RECOVERED": "The store of segments works again",
}


class Email:
    """A DeliveryChannel, from its making to `aclose`."""

    authenticates = False
    lasting = True

    def __init__(
        self,
        settings: Callable[[], SmtpSettings | None],
        *,
        context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        mail_seconds: float = MAIL_SECONDS,
    ) -> None:
        """`settings` gives None where email is not set up. `context` says which certificates are trusted."""
        self._settings = settings
        self._context = context
        self._mail_seconds = mail_seconds
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mail")

    async def aclose(self) -> None:
        """Starts no more mails. Those under way end with their deliveries."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def check(self, endpoint: Endpoint) -> None:
        """Looks at the address, and whether this server can send mails at all."""
        if self._settings() is None:
            raise NotificationError(NOT_SET_UP)
        recipient(endpoint.document)

    async def greet(self, endpoint: Endpoint) -> str:
        """Only a mail itself could ask; what becomes of that the mail server says."""
        return ""

    async def deliver(self, endpoint: Endpoint, parcel: Parcel) -> Outcome:
        """Hands the mail to the mail server."""
        settings = self._settings()
        if settings is None:
            return Outcome(error=NOT_SET_UP)
        line = Line(settings)

        def work() -> Outcome:
            try:
                mail = compose(endpoint.document, parcel, settings.sender)
                to = recipient(endpoint.document)
            except (NotificationError, ValueError) as error:
                return Outcome(error=f"The mail cannot be written: {error}")
            return hand_over(line, self._context, to, mail)

        try:
            async with asyncio.timeout(self._mail_seconds):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            return Outcome(error=f"{settings.place} did not take the mail within {self._mail_seconds:g} seconds.")
        finally:
            line.cut()


def check_address(address: str) -> None:
    """Raises NotificationError for what is no email address in ASCII, without a name: `me@example.org`."""
    if len(address) > MAX_ADDRESS or not _ADDRESS.fullmatch(address):
        raise NotificationError(f"{address[:100]!r} is no email address; give one like me@example.org.")


def recipient(document: Mapping[str, object]) -> str:
    """The address in an endpoint's document. Raises NotificationError."""
    address = text(document, "email")
    check_address(address)
    return address


def compose(document: Mapping[str, object], parcel: Parcel, sender: str) -> bytes:
    """The mail as octets. Raises NotificationError or ValueError when no mail can be made of these."""
    check_address(sender)
    subject, words = _said(parcel)
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = sender
    mail["To"] = recipient(document)
    mail["Subject"] = one_line(text(document, "subject"), MAX_SUBJECT) or subject
    mail["Date"] = parcel.at
    mail["Message-ID"] = f"<{parcel.notification_id}@{sender.rpartition('@')[2]}>"
    # RFC 3834: so that nobody's absence is told to this server.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(words[:MAX_TEXT])
    return mail.as_bytes()


def _said(parcel: Parcel) -> tuple[str, str]:
    """The subject and the text."""
    event = event_data(parcel.body)
    sentence = _SENTENCES.get(parcel.topic.name) if parcel.topic.domain == DOMAIN else None
    if sentence is not None:
        name = one_line(text(event, "name"), MAX_SUBJECT // 2) or "The stream"
        subject = sentence.format(name=name)
        lines = [f"{subject}.", text(event, "message"), text(event, "streamTitle"), text(event, "serverURL")]
        return subject, "\n".join(one_line(line, MAX_TEXT) for line in lines if line) + "\n"
    subject = one_line(parcel.topic.name, MAX_SUBJECT) or "An event"
    try:
        words = orjson.dumps(orjson.loads(parcel.body), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONDecodeError:
        words = parcel.body
    return subject, words.decode("utf-8", "replace")
