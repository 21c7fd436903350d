"""The email channel: mails that a real mail server takes, and mail servers with bad manners."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import orjson
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from parcels import AT, PARCEL, endpoint, started
from receiver import PATIENCE

from owncast_py.notifications.channels import Outcome
from owncast_py.notifications.channels.email import MAX_TEXT, THREADS, Email, check_address, compose
from owncast_py.notifications.channels.mail_server import SmtpSettings
from owncast_py.notifications.errors import NotificationError
from owncast_py.notifications.model import Topic

SENDER = "stream@tea.example"
TO = "reader@example.org"
WANTS = endpoint("email", "", document={"email": TO})
PASSWORD = "s3cret pass"
UNPROTECTED = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
"""That library warns of passwords in clear, and does not see TLS that was there from the start."""


@dataclass
class MailServer:
    """A handler of aiosmtpd's that keeps what came; `answers` are given instead of its own, by command."""

    answers: dict[str, str] = field(default_factory=dict)
    envelopes: list[Envelope] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    port: int = 0

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        self.sessions.append(session)
        return self.answers.get("DATA", "250 OK")

    @property
    def mails(self) -> list[EmailMessage]:
        read = [
            message_from_bytes(bytes(envelope.original_content or b""), policy=default) for envelope in self.envelopes
        ]
        return [mail for mail in read if isinstance(mail, EmailMessage)]


def words(mail: EmailMessage) -> str:
    """The text of a mail, as it is shown."""
    content: str = mail.get_content()
    return content.replace("\r\n", "\n")


def trusting(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"me", PASSWORD.encode())
    return AuthResult(success=known, handled=known)


@asynccontextmanager
async def serving(factory: Callable[[], asyncio.Protocol], context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, within: ssl.SSLContext | None = None, auth: bool = False, **answers: str
) -> AsyncIterator[MailServer]:
    """With `within` it speaks STARTTLS and demands it, with `tls` TLS from the start."""
    handler = MailServer(answers)

    def factory() -> SMTP:
        return SMTP(
            handler,
            hostname="mx.example",
            loop=asyncio.get_running_loop(),
            tls_context=within,
            require_starttls=within is not None,
            authenticator=trusting if auth else None,
            auth_required=auth,
            auth_require_tls=within is not None or not auth,
        )

    async with serving(factory, tls) as handler.port:
        yield handler


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Rude:
    """A server that says what the test says."""

    talk: Talk
    port: int = 0
    connections: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """That a connection ended, from the other side."""


@asynccontextmanager
async def rude(talk: Talk) -> AsyncIterator[Rude]:
    server = Rude(talk)
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writers.append(writer)
        task.add_done_callback(tasks.discard)
        server.connections += 1
        try:
            await talk(reader, writer)
            while await reader.read(65536):
                pass
        except OSError:
            pass
        finally:
            server.ended.set()
            writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()
        for writer in writers:
            writer.close()
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)


def saying(words: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await writer.drain()

    return talk


def dropping(words: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await writer.drain()
        writer.close()

    return talk


def plain(port: int) -> SmtpSettings:
    return SmtpSettings("127.0.0.1", port, SENDER, security="none")


@asynccontextmanager
async def emailing(settings: SmtpSettings | None, **values: object) -> AsyncIterator[Email]:
    channel = Email(lambda: settings, **values)  # type: ignore[arg-type]
    try:
        yield channel
    finally:
        await channel.aclose()


async def sent(settings: SmtpSettings | None, document: object = WANTS.document, **values: object) -> Outcome:
    async with emailing(settings, **values) as channel:
        return await channel.deliver(replace(WANTS, document=document), started())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that this test made for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "made.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


def presenting(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def test_a_mail_says_that_the_show_began() -> None:
    async with mail_server() as server:
        outcome = await sent(plain(server.port))
    assert outcome == Outcome(status=250)
    (envelope,), (mail,) = server.envelopes, server.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, [TO])
    assert (mail["From"], mail["To"], mail["Subject"]) == (SENDER, TO, "Tea has gone live")
    assert mail["Date"].datetime == AT.replace(microsecond=0)
    assert mail["Message-ID"] == "<ntf_0000000000000002@tea.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"
    assert words(mail) == "Tea has gone live.\nGreen tea\nhttps://tea.example\n"


async def test_a_mail_is_the_same_at_each_try() -> None:
    async with mail_server() as server, emailing(plain(server.port)) as channel:
        for _ in range(2):
            assert (await channel.deliver(WANTS, started())).received
    first, second = server.envelopes
    assert first.original_content == second.original_content


async def test_another_event_is_its_json_under_its_topic() -> None:
    topic = Topic("top_1", "tea.example", "STREAM_STARTED", AT)
    parcel = replace(PARCEL, topic=topic, body='{"kettle":{"boils":"ja, schön 🍵"}}'.encode())
    async with mail_server() as server, emailing(plain(server.port)) as channel:
        assert (await channel.deliver(WANTS, parcel)).received
        own = replace(WANTS, document={"email": TO, "subject": "Schöner\r\nBcc: other@example.org\x00 🍵" + "x" * 500})
        assert (await channel.deliver(own, parcel)).received
    first, second = server.mails
    assert first["Subject"] == "STREAM_STARTED"
    assert words(first) == '{\n  "kettle": {\n    "boils": "ja, schön 🍵"\n  }\n}\n'
    assert second["Subject"].startswith("Schöner Bcc: other@example.org 🍵xxx")
    assert (second["Bcc"], len(second["Subject"])) == (None, 200)
    assert all(bytes(envelope.original_content or b"").isascii() for envelope in server.envelopes)
    assert server.envelopes[1].rcpt_tos == [TO]


async def test_dots_and_long_lines_arrive_whole() -> None:
    title = ".\n..\nQUIT " + "long " * 2000
    event = {"eventData": {"name": "Tea", "streamTitle": title}}
    async with mail_server() as server, emailing(plain(server.port)) as channel:
        assert (await channel.deliver(WANTS, started(event))).received
        assert (await channel.deliver(WANTS, replace(PARCEL, body=orjson.dumps({"a": "." * 200_000})))).received
    assert words(server.mails[0]) == f"Tea has gone live.\n{' '.join(title.split())}\n"
    assert len(words(server.mails[1])) <= MAX_TEXT + 1
    assert max(len(line) for line in bytes(server.envelopes[1].original_content or b"").split(b"\r\n")) <= 998


HEADERS = ["Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "MIME-Version", "Message-ID"]
HEADERS += ["Subject", "To"]
ANY = st.text(st.characters(codec="utf-8"), max_size=80)


@settings(max_examples=150, deadline=None)
@given(ANY, ANY, ANY, ANY)
def test_nothing_in_an_event_becomes_a_header(name: str, title: str, topic: str, subject: str) -> None:
    event = {"eventData": {"name": name, "streamTitle": title}}
    parcel = started(event)
    other = replace(parcel, topic=replace(parcel.topic, domain="tea.example", name=topic))
    for each in (parcel, other):
        octets = compose({"email": TO, "subject": subject}, each, SENDER)
        mail = message_from_bytes(octets, policy=default)
        assert sorted(mail.keys()) == HEADERS
        assert mail["Subject"].isprintable()
        assert octets.isascii()
        assert b"\n" not in octets.replace(b"\r\n", b"")


# Logging in, and TLS.


@UNPROTECTED
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
async def test_a_user_logs_in(security: str, certificate: Path) -> None:
    context = presenting(certificate)
    async with mail_server(
        auth=True, within=context if security == "starttls" else None, tls=context if security == "tls" else None
    ) as server:
        access = replace(plain(server.port), security=security, username="me", password=PASSWORD)
        trust = {"context": lambda: ssl.create_default_context(cafile=str(certificate))}
        assert await sent(access, **trust) == Outcome(status=250)
        assert server.sessions[0].authenticated
        assert (server.sessions[0].ssl is not None) == (security == "starttls")
        wrong = await sent(replace(access, password="wrong"), **trust)
        assert (wrong.status, wrong.gone, wrong.unauthenticated) == (535, False, False)
        assert "does not accept the user name and password of notifications.smtp" in wrong.error
        nobody = await sent(replace(access, username=""), **trust)
        assert nobody.status == 530
    assert len(server.mails) == 1


@UNPROTECTED
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_that_nobody_knows_is_not_trusted(security: str, certificate: Path) -> None:
    context = presenting(certificate)
    async with mail_server(
        auth=True, within=context if security == "starttls" else None, tls=context if security == "tls" else None
    ) as server:
        access = replace(plain(server.port), security=security, username="me", password=PASSWORD)
        outcome = await sent(access)
        assert outcome.error.startswith(f"The certificate of 127.0.0.1:{server.port} cannot be trusted: ")
        assert outcome.status is None
    assert server.mails == []


async def test_nothing_is_sent_without_the_security_that_is_asked_for() -> None:
    async with mail_server() as server:
        bare = await sent(replace(plain(server.port), security="starttls"))
        assert "does not do what notifications.smtp asks of it: STARTTLS extension not supported" in bare.error
        wrapped = await sent(replace(plain(server.port), security="tls"))
        assert "does not speak TLS there; correct the port or security" in wrapped.error
        login = await sent(replace(plain(server.port), username="me", password=PASSWORD))
        assert "does not do what notifications.smtp asks of it: SMTP AUTH extension" in login.error
    assert (bare.status, wrapped.status, login.status, server.mails) == (None, None, None, [])


@UNPROTECTED
async def test_a_password_that_cannot_be_sent_is_not_shown() -> None:
    async with mail_server(auth=True) as server:
        outcome = await sent(replace(plain(server.port), username="me", password="schön"))
    assert outcome.error == "The host, user name and password of notifications.smtp must be ASCII; correct them."
    assert PASSWORD not in repr(replace(plain(1), password=PASSWORD))


# What a mail server answers.


@pytest.mark.parametrize(
    ("command", "reply", "sentence"),
    [
        ("RCPT", "550 no such user", "answered 550 to the recipient's address."),
        ("RCPT", "450 come back later", "answered 450 to the recipient's address."),
        ("MAIL", "553 who are you", "answered 553 to the sender's address, the one of notifications.smtp."),
        ("DATA", "554 looks like spam", "answered 554."),
        ("DATA", "452 full", "answered 452."),
    ],
)
async def test_a_refusal_is_told_with_the_servers_words(command: str, reply: str, sentence: str) -> None:
    async with mail_server(**{command: reply}) as server:
        outcome = await sent(plain(server.port))
        assert outcome == Outcome(int(reply[:3]), f"127.0.0.1:{server.port} {sentence}", reply[4:])
        assert not outcome.received


@pytest.mark.parametrize(
    ("talk", "status", "sentence"),
    [
        (saying(b"554 go away\r\n"), 554, "answered 554."),
        (saying(b"421 busy\r\n"), 421, "answered 421."),
        (saying(b"250 what\r\n"), None, "answered 250."),
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None, "is not SMTP."),
        (
            saying(b"220 hi\r\n250 hello\r\n235 out of turn\r\n250 reset\r\n"),
            None,
            "answered 235 to the sender's address",
        ),
        (saying(b"220 hi\r\n250 hello\r\n250 yes\r\n250 yes\r\n250 no data\r\n"), None, "answered 250."),
        (saying(b"220 " + b"x" * 10_000), 500, "answered 500."),
        (saying(b"220-more\r\n" * 10_000), None, "broke before the mail was through."),
        (saying(b"220 hi\r\n" + b"250-more\r\n" * 10_000), None, "broke before the mail was through."),
        (dropping(b""), None, "broke before the mail was through."),
        (dropping(b"220 hi\r\n"), None, "broke before the mail was through."),
        (dropping(b"220 hi\r\n250-hel"), None, "broke before the mail was through."),
        (
            dropping(b"220 hi\r\n250 hello\r\n250 yes\r\n250 yes\r\n354 go\r\n"),
            None,
            "broke before the mail was through.",
        ),
    ],
)
async def test_a_server_that_talks_nonsense_takes_no_mail(talk: Talk, status: int | None, sentence: str) -> None:
    async with rude(talk) as server:
        outcome = await sent(plain(server.port))
        assert not outcome.received
        assert (outcome.status, sentence in outcome.error) == (status, True), outcome
        assert f"127.0.0.1:{server.port}" in outcome.error
        assert outcome.error.endswith(".")


async def test_nobody_listens_and_nobody_is_known() -> None:
    async with rude(saying(b"")) as server:
        pass
    assert (
        await sent(plain(server.port))
    ).error == f"There is no connection to 127.0.0.1:{server.port}: Connection refused."
    unknown = await sent(replace(plain(25), host="mx.invalid"))
    assert unknown.error == "The host name mx.invalid cannot be found."
    assert "must be ASCII" in (await sent(replace(plain(25), host="x" * 64))).error


async def test_a_mail_is_through_when_the_server_breaks_off_the_goodbye() -> None:
    async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (b"220 hi", b"250 hello", b"250 yes", b"250 yes", b"354 go"):
            writer.write(reply + b"\r\n")
            await (reader.readline() if reply != b"354 go" else reader.readuntil(b"\r\n.\r\n"))
        writer.write(b"250 taken\r\n")
        await writer.drain()
        writer.transport.abort()

    async with rude(polite) as server:
        assert await sent(plain(server.port)) == Outcome(status=250)


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("mail")}


@pytest.mark.parametrize("words", [b"", b"220 hi\r\n", b"220-drip"])
async def test_a_server_that_hangs_is_left_in_time(words: bytes) -> None:
    async with rude(saying(words)) as server:
        outcome = await sent(plain(server.port), mail_seconds=0.2)
        assert outcome == Outcome(error=f"127.0.0.1:{server.port} did not take the mail within 0.2 seconds.")
        async with asyncio.timeout(PATIENCE):
            await server.ended.wait()


async def test_a_server_that_hangs_in_the_handshake_is_left_in_time() -> None:
    async with rude(saying(b"")) as server:
        outcome = await sent(replace(plain(server.port), security="tls"), mail_seconds=0.2)
        assert outcome.error.endswith("did not take the mail within 0.2 seconds.")
        async with asyncio.timeout(PATIENCE):
            await server.ended.wait()


async def test_many_mails_to_a_server_that_hangs_hold_few_threads() -> None:
    async with rude(saying(b"220 hi\r\n")) as server, emailing(plain(server.port), mail_seconds=0.3) as channel:
        before = threads()
        deliveries = [asyncio.create_task(channel.deliver(WANTS, started())) for _ in range(THREADS * 5)]
        outcomes = await asyncio.gather(*deliveries)
        assert {outcome.status for outcome in outcomes} == {None}
        assert len(threads() - before) <= THREADS
        # The threads are free again: a better server gets its mail at once.
        async with mail_server() as better:
            channel._settings = lambda: plain(better.port)
            channel._mail_seconds = PATIENCE
            assert (await channel.deliver(WANTS, started())).received


async def test_a_delivery_that_is_cut_off_ends_its_connection() -> None:
    async with rude(saying(b"220 hi\r\n")) as server, emailing(plain(server.port)) as channel:
        delivery = asyncio.create_task(channel.deliver(WANTS, started()))
        async with asyncio.timeout(PATIENCE):
            while not server.connections:
                await asyncio.sleep(0.005)
            delivery.cancel()
            await server.ended.wait()
        assert delivery.cancelled()


# What is typed in.


async def test_without_a_mail_server_no_endpoint_can_be_had() -> None:
    async with emailing(None) as channel:
        with pytest.raises(NotificationError, match=r"sends no email; set notifications.smtp in config.yaml"):
            channel.check(WANTS)
        outcome = await channel.deliver(WANTS, started())
    assert "set notifications.smtp in config.yaml" in outcome.error
    async with emailing(plain(25)) as channel:
        channel.check(WANTS)
        assert await channel.greet(WANTS) == ""


@pytest.mark.parametrize("address", ["a@b", "first.last+tag@mail.example.org", "x_~!#$%&'*+/=?^`{|}-@a-b.example"])
def test_addresses(address: str) -> None:
    check_address(address)
    assert message_from_bytes(compose({"email": address}, started(), SENDER), policy=default)["To"] == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "me",
        "@example.org",
        "me@",
        "me@-example.org",
        "me@exa mple.org",
        "me@example..org",
        "me@example.org\n",
        "me@example.org\r\nBcc: you@example.org",
        "me@example.org, you@example.org",
        "Me <me@example.org>",
        "mé@example.org",
        "me@exämple.org",
        "x" * 65 + "@example.org",
        "me@" + "x." * 130 + "org",
        "me@[127.0.0.1]",
    ],
)
async def test_what_is_no_address_gets_no_mail(address: str) -> None:
    with pytest.raises(NotificationError, match="is no email address; give one like me@"):
        check_address(address)
    async with mail_server() as server, emailing(plain(server.port)) as channel:
        if address.strip() == address:
            wrong = replace(WANTS, document={"email": address})
            with pytest.raises(NotificationError, match="is no email address"):
                channel.check(wrong)
            assert "is no email address" in (await channel.deliver(wrong, started())).error
    for document in ({}, {"email": None}, {"email": [TO]}):
        with pytest.raises(NotificationError, match="is no email address"):
            compose(document, started(), SENDER)
    assert server.envelopes == []


async def test_a_sender_that_is_no_address_is_told() -> None:
    outcome = await sent(replace(plain(25), sender="nobody"))
    assert outcome.error == "The mail cannot be written: 'nobody' is no email address; give one like me@example.org."
