"""Which days a folder of feeds holds, by the names of its files."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from intelsec_assets.feeds.available import local_days
from intelsec_assets.feeds.catalogue import Catalogue, Feed


def catalogue(*templates: str) -> Catalogue:
    feeds = tuple(
        Feed(
            name=f"feed-{n}",
            title="t",
            publisher="p",
            licence="l",
            format="plain",
            local=template,
            interval=timedelta(days=1),
        )
        for n, template in enumerate(templates)
    )
    return Catalogue(path=Path("catalogue.yaml"), first_day=date(2026, 3, 2), feeds=feeds)


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_days_are_read_from_files_folders_and_globs(tmp_path: Path) -> None:
    touch(tmp_path, "a/20260303.csv", "b/2026-03-04/list.txt", "pages/2026-03-05.0.json", "y/2026/03/06.txt")
    found = local_days(
        catalogue("a/{yyyymmdd}.csv", "b/{day}/list.txt", "pages/{day}.*.json", "y/{yyyy}/{mm}/{dd}.txt"), tmp_path
    )
    assert found == [date(2026, 3, d) for d in (3, 4, 5, 6)]


def test_days_before_the_first_and_names_that_are_no_days_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "20260301.csv", "20260302.csv", "20269999.csv", "notes.csv")
    assert local_days(catalogue("{yyyymmdd}.csv"), tmp_path) == [date(2026, 3, 2)]


def test_a_date_that_stands_twice_must_be_the_same_date(tmp_path: Path) -> None:
    touch(tmp_path, "2026-03-03/2026-03-03.txt", "2026-03-04/2026-03-05.txt")
    assert local_days(catalogue("{day}/{day}.txt"), tmp_path) == [date(2026, 3, 3)]


def test_undated_sources_name_no_day(tmp_path: Path) -> None:
    touch(tmp_path, "ipsum.txt")
    assert local_days(catalogue("ipsum.txt"), tmp_path) == []
