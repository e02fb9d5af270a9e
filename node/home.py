"""The home of a node: one folder, and where each thing in it lies.

    node.toml          settings                    keystore   secrets of the node, sealed under its passphrase
    data/              what must not be lost        guard/     the newest head that was signed; best on other hardware
    prekeys/           secrets that end daily       directory/ verified metadata of the network
    people.sqlite      names of officers, apart from the log that holds their pseudonyms
    policies/          written policies of systems that run unattended
    run/rogatory.sock  the command line reaches the running node here
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one node. Makes nothing by itself."""

    path: Path

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.path / "node.toml"

    @property
    def keystore(self) -> Path:
        """The sealed keystore, mode 0600."""
        return self.path / "keystore"

    @property
    def data(self) -> Path:
        """The folder of the exchange: database, parts, lock."""
        return self.path / "data"

    @property
    def guard(self) -> Path:
        """The guard file, where the settings name no other."""
        return self.path / "guard" / "guard"

    @property
    def prekeys(self) -> Path:
        """The folder of prekey secrets."""
        return self.path / "prekeys"

    @property
    def directory(self) -> Path:
        """The folder of the directory's verified metadata."""
        return self.path / "directory"

    @property
    def people(self) -> Path:
        """The table of names, apart from the log."""
        return self.path / "people.sqlite"

    @property
    def policies(self) -> Path:
        """The folder of written policies, one TOML file each."""
        return self.path / "policies"

    @property
    def api_keys(self) -> Path:
        """The hashes of the local API's keys, mode 0600."""
        return self.path / "api-keys"

    @property
    def uploads(self) -> Path:
        """Ciphertext of files uploaded over the local API, until they are sent or a day has passed."""
        return self.path / "uploads"

    @property
    def socket(self) -> Path:
        """The Unix socket of the running node, mode 0600."""
        return self.path / "run" / "rogatory.sock"
