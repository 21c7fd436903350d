"""Handing one mail to a mail server: RFC 5321 by way of `smtplib`, which blocks, so all of it in a thread.

Owns the connection, its limits and what the server's replies mean. What a mail says is `email`'s. The server is one
that the owner configured; nevertheless it may hang, drop the connection or talk without end.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from owncast_py.notifications.channels import Outcome

SOCKET_SECONDS = 15.0
"""For each operation of the socket."""
MAX_TALK = 64 * 1024
"""Octets that a server may say in one connection, and as many within STARTTLS."""
MAX_ANSWER = 16 * 1024
"""Characters of a reply that are kept."""
RECEIVED = 250

Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Where mails are handed over, and by whom. Without a `username` nobody logs in."""

    host: str
    port: int
    sender: str
    """The address that mails come from."""
    security: Security = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """The server, for sentences."""
        return f"{self.host}:{self.port}"


class Line:
    """The connection for one mail; any thread may cut it."""

    def __init__(self, settings: SmtpSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._twin: socket.socket | None = None
        self._over = False

    def open(self) -> socket.socket:
        """Connects. Raises OSError."""
        connected = socket.create_connection((self.settings.host, self.settings.port), SOCKET_SECONDS)
        with self._lock:
            # A second handle on the same connection: to shut that down disturbs nothing that the first one's thread,
            # and TLS in it, holds in Python; it only reads an end.
            self._twin = connected.dup()
            if self._over:
                self._shut()
        return connected

    def cut(self) -> None:
        """Ends the connection, now or as soon as there is one. Whoever waits for it goes on."""
        with self._lock:
            self._over = True
            self._shut()

    def _shut(self) -> None:
        if self._twin is not None:
            with contextlib.suppress(OSError):
                self._twin.shutdown(socket.SHUT_RDWR)
            self._twin.close()
            self._twin = None


def hand_over(line: Line, context: Callable[[], ssl.SSLContext], recipient: str, mail: bytes) -> Outcome:
    """Tries once; it blocks. Whatever the server does is an Outcome: status 250 when it took the mail."""
    settings = line.settings
    try:
        trust = None if settings.security == "none" else context()
        client = _Client(line, trust)
        try:
            if settings.security == "starttls":
                client.starttls(context=trust)
            if settings.username:
                client.login(settings.username, settings.password)
            client.sendmail(settings.sender, [recipient], mail)
            # Its answer is not waited for: the mail is through, whatever comes.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                client.putcmd("quit")
        finally:
            client.close()
    except (smtplib.SMTPException, OSError, ValueError) as error:
        return _failure(settings, error)
    return Outcome(RECEIVED)


class _Client(smtplib.SMTP):
    """Speaks on a Line, and listens only so long."""

    def __init__(self, line: Line, trust: ssl.SSLContext | None) -> None:
        self._line = line
        self._trust = trust
        settings = line.settings
        # It would look its own name up; the sender's domain is as good and costs nothing.
        domain = settings.sender.rpartition("@")[2]
        super().__init__(settings.host, settings.port, domain, SOCKET_SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected = self._line.open()
        if self._line.settings.security == "tls" and self._trust is not None:
            return self._trust.wrap_socket(connected, server_hostname=host)
        return connected

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Limited(self.sock.makefile("rb"))
        return super().getreply()


class _Limited:
    """The server's words, up to MAX_TALK octets."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._left = MAX_TALK

    def readline(self, size: int) -> bytes:
        read = self._source.readline(min(size, self._left))
        self._left -= len(read)
        if self._left <= 0:
            raise OSError("too long an answer")
        return read

    def close(self) -> None:
        self._source.close()


def _failure(settings: SmtpSettings, error: Exception) -> Outcome:
    place = settings.place
    match error:
        case smtplib.SMTPAuthenticationError():
            sentence = f"{place} does not accept the user name and password of notifications.smtp; correct them."
            return _refused(sentence, error.smtp_code, error.smtp_error)
        case smtplib.SMTPRecipientsRefused():
            code, words = next(iter(error.recipients.values()), (-1, b""))
            return _refused(f"{place} answered {code} to the recipient's address.", code, words)
        case smtplib.SMTPSenderRefused():
            sentence = f"{place} answered {error.smtp_code} to the sender's address, the one of notifications.smtp."
            return _refused(sentence, error.smtp_code, error.smtp_error)
        case smtplib.SMTPResponseException(smtp_code=-1):
            sentence = _nonsense(place)
        case smtplib.SMTPResponseException():
            return _refused(f"{place} answered {error.smtp_code}.", error.smtp_code, error.smtp_error)
        case smtplib.SMTPServerDisconnected(__context__=TimeoutError()) | TimeoutError():
            sentence = f"{place} did not answer within {SOCKET_SECONDS:g} seconds."
        case smtplib.SMTPServerDisconnected():
            sentence = f"The connection to {place} broke before the mail was through."
        case smtplib.SMTPException():
            sentence = f"{place} does not do what notifications.smtp asks of it: {str(error)[:300].rstrip('.')}."
        case ssl.SSLCertVerificationError():
            sentence = f"The certificate of {place} cannot be trusted: {error.verify_message[:300]}."
        case ssl.SSLError():
            sentence = f"{place} does not speak TLS there; correct the port or security of notifications.smtp."
        case socket.gaierror():
            sentence = f"The host name {settings.host} cannot be found."
        case OSError():
            sentence = f"There is no connection to {place}: {(error.strerror or str(error))[:300]}."
        case UnicodeError():
            # Its own words would have a character of the password in them.
            sentence = "The host, user name and password of notifications.smtp must be ASCII; correct them."
        case _:
            sentence = _nonsense(place)
    return Outcome(error=sentence)


def _refused(sentence: str, code: int, words: bytes | str) -> Outcome:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    # A 2xx out of turn is no success.
    return Outcome(code if 300 <= code <= 599 else None, sentence, text[:MAX_ANSWER])


def _nonsense(place: str) -> str:
    return f"What {place} says is not SMTP."
