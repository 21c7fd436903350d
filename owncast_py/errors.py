"""The application's errors, each with the sentence that a person reads.

OwncastError
├── ConfigError          settings that cannot be used; one sentence per fault
├── CredentialsError     the secrets in the data directory cannot be read or kept
├── StartError           the server cannot start here: a taken port, a directory that cannot be written
├── StorageError         the database cannot be opened, or refused to keep something
├── SettingError         a setting cannot take that value
├── ImageRefused         an uploaded file is no image, or too large a one
├── AccountError         there is no such user or token, or it cannot be changed like that
├── AccountsBusy        too many passwords wait to be checked
├── OutgoingError        another server was not reached, or did not answer as it should
├── ChatError            what chat refuses; its tree is in `owncast_py.chat.errors`
├── NotificationError    what notifications refuse; its tree is in `owncast_py.notifications.errors`
├── ScheduleError        what the schedule refuses; its tree is in `owncast_py.schedule.errors`
├── RealtimeError        what channels refuse; its tree is in `owncast_py.realtime.errors`
├── ImportRefused        an Owncast server cannot be taken over like that; in `owncast_py.importing.errors`
└── BackupError          a backup cannot be made or taken back; its tree is in `owncast_py.backup.errors`

The command line prints those of the start and exits with 2, the web answers with the others; none ever holds a secret.
"""

from __future__ import annotations

from collections.abc import Sequence


class OwncastError(Exception):
    """Base of all errors of this package; the message is a sentence that a person can act on."""


class ConfigError(OwncastError):
    """Settings that cannot be used. `faults` holds one sentence for each, in the order of their sources."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


class CredentialsError(OwncastError):
    """The secrets in the data directory cannot be read or kept."""


class StartError(OwncastError):
    """The server cannot start on this machine as it is configured."""


class StorageError(OwncastError):
    """The database cannot be opened, or refused to keep something. What was to be kept is not."""


class SettingError(OwncastError):
    """A setting cannot take that value; the one before stays in force."""


class AccountError(OwncastError):
    """There is no such user or token, or it cannot be changed in that way."""


class AccountsBusy(OwncastError):
    """Too many passwords wait to be checked; later there will be room."""


class ImageRefused(OwncastError):
    """An uploaded file is no image that is taken here, or too large a one."""


class OutgoingError(OwncastError):
    """Another server was not reached, or did not answer as it should."""
