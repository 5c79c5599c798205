"""Where things are: home folder, data root, catalogue, store and MISP address, all read from the environment once.

No file is opened here and no default is a secret; the meaning of each variable is in README, section Configuration.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from intelsec_assets.days import parse_day

REPOSITORY = Path(__file__).resolve().parents[1]
SAMPLE_DATA = REPOSITORY / "samples" / "data"
DETECTIONS = REPOSITORY / "detections"  # rules with their samples, exceptions, pipelines
INSTANCES = ("embedded", "postgres")  # of Dagster; their templates are in intelsec_jobs.instance
ONLINE = "online"  # INTELSEC_DATA=online: feeds are fetched from their published addresses

DISTRIBUTIONS = ("0", "1", "2", "3")  # of MISP events: our organisation, community, connected communities, all
YES, NO = ("1", "true", "yes"), ("0", "false", "no")


class SettingsError(Exception):
    """A setting that cannot work; the message names the variable, its value and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """One workspace: a data root and the home in which its lake, store, exports and Dagster history live."""

    home: Path
    data_root: Path | None
    catalogue: Path | None
    detections: Path
    store_url: str
    instance: str
    misp_url: str | None
    misp_key_variable: str
    misp_verify_tls: bool
    misp_distribution: str
    warehouse_url_variable: str
    warehouse_schema: str
    warehouse_reader: str
    warehouse_keep: int
    automation: frozenset[str]
    allowed_networks: tuple[str, ...]

    @property
    def lake(self) -> Path:
        """Folder of the Parquet tables."""
        return self.home / "lake"

    @property
    def raw(self) -> Path:
        """Folder of the raw feed bytes and their snapshots."""
        return self.home / "raw"

    @property
    def exports(self) -> Path:
        """Folder of the exported files."""
        return self.home / "exports"

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME of this workspace."""
        return self.home / "dagster"

    @property
    def source_name(self) -> str:
        """What the workspace reads, for people."""
        return ONLINE if self.data_root is None else str(self.data_root)


def from_environment(env: Mapping[str, str] | None = None) -> Settings:
    """Settings from INTELSEC_* variables. Raises SettingsError for a folder or a word that does not exist."""
    env = os.environ if env is None else env
    _check_words(env)
    data_root = _data_root(env.get("INTELSEC_DATA", ""))
    home = Path(env["INTELSEC_HOME"]) if env.get("INTELSEC_HOME") else REPOSITORY / ".intelsec" / _slug(data_root)
    home = home.expanduser().resolve()
    catalogue = _file(env, "INTELSEC_CATALOGUE", "a catalogue YAML file")
    detections = Path(env.get("INTELSEC_DETECTIONS") or DETECTIONS).expanduser().resolve()
    if not (detections / "sigma").is_dir():
        raise SettingsError(f"INTELSEC_DETECTIONS={detections}: no folder `sigma` in it; name a folder of detections")
    return Settings(
        home=home,
        data_root=data_root,
        catalogue=catalogue,
        detections=detections,
        store_url=env.get("INTELSEC_STORE_URL") or f"sqlite:///{home / 'store.sqlite'}",
        instance=env.get("INTELSEC_INSTANCE") or "embedded",
        misp_url=env.get("INTELSEC_MISP_URL") or None,
        misp_key_variable="INTELSEC_MISP_KEY",
        misp_verify_tls=(env.get("INTELSEC_MISP_VERIFY_TLS") or "true").lower() not in NO,
        misp_distribution=env.get("INTELSEC_MISP_DISTRIBUTION") or "0",
        warehouse_url_variable="INTELSEC_WAREHOUSE_URL",
        warehouse_schema=env.get("INTELSEC_WAREHOUSE_SCHEMA") or "intelsec",
        warehouse_reader=env.get("INTELSEC_WAREHOUSE_READER") or "intelsec_reader",
        warehouse_keep=int(env.get("INTELSEC_WAREHOUSE_KEEP") or 7),
        automation=frozenset(_parts(env, "INTELSEC_AUTOMATION")),
        allowed_networks=_parts(env, "INTELSEC_ALLOWED_NETWORKS"),
    )


def _check_words(env: Mapping[str, str]) -> None:
    """Variables with few allowed values, whoever reads them."""
    instance = env.get("INTELSEC_INSTANCE") or INSTANCES[0]
    if instance not in INSTANCES:
        raise SettingsError(f"INTELSEC_INSTANCE={instance}: unknown; choose one of {', '.join(INSTANCES)}")
    distribution = env.get("INTELSEC_MISP_DISTRIBUTION") or "0"
    if distribution not in DISTRIBUTIONS:
        raise SettingsError(f"INTELSEC_MISP_DISTRIBUTION={distribution}: choose one of {', '.join(DISTRIBUTIONS)}")
    verify = env.get("INTELSEC_MISP_VERIFY_TLS") or "true"
    if verify.lower() not in (*YES, *NO):
        raise SettingsError(f"INTELSEC_MISP_VERIFY_TLS={verify}: choose true or false")
    if "@" in urlsplit(env.get("INTELSEC_MISP_URL") or "").netloc:
        raise SettingsError("INTELSEC_MISP_URL holds a user name or password: take it out and set INTELSEC_MISP_KEY")
    keep = env.get("INTELSEC_WAREHOUSE_KEEP") or "7"
    if not keep.isdecimal() or int(keep) < 1:
        raise SettingsError(f"INTELSEC_WAREHOUSE_KEEP={keep}: expected a number of snapshots, at least 1")
    for network in _parts(env, "INTELSEC_ALLOWED_NETWORKS"):
        try:
            ip_network(network)
        except ValueError as error:
            raise SettingsError(f"INTELSEC_ALLOWED_NETWORKS={network}: {error}; expected networks as CIDR") from None
    if env.get("INTELSEC_FIRST_DAY"):
        try:
            parse_day(env["INTELSEC_FIRST_DAY"])
        except ValueError as error:
            raise SettingsError(f"INTELSEC_FIRST_DAY: {error}") from None


def _parts(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in env.get(name, "").split(",") if part.strip())


def _file(env: Mapping[str, str], name: str, what: str) -> Path | None:
    if not env.get(name):
        return None
    file = Path(env[name]).expanduser().resolve()
    if not file.is_file():
        raise SettingsError(f"{name}={file}: no such file; name {what} or unset it")
    return file


def _data_root(text: str) -> Path | None:
    if text == ONLINE:
        return None
    root = Path(text).expanduser().resolve() if text else SAMPLE_DATA
    if not root.is_dir():
        raise SettingsError(f"INTELSEC_DATA={root}: no such folder; name a folder that holds feeds, or `{ONLINE}`")
    return root


def _slug(data_root: Path | None) -> str:
    """Name of the workspace of a data root: two roots never share one, so their states never mix."""
    if data_root is None:
        return ONLINE
    if data_root == SAMPLE_DATA:
        return "sample"
    return f"{data_root.name}-{hashlib.sha256(str(data_root).encode()).hexdigest()[:8]}"
