"""What a device is called before anybody has named it."""

from __future__ import annotations

import pytest

from owncast_py.accounts.devices import MAX_NAME_LENGTH, shortened

ALIKE = "AppleWebKit/537.36 (KHTML, like Gecko) "


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) ", "Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0", "Edg/130.0.0.0"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) ",
            "Version/17.0 Mobile/15E148 Safari/604.1",
            "Safari/",
        ),
    ],
)
def test_what_tells_one_browser_from_the_others_fits_into_the_name_of_a_device(
    before: str, after: str, kept: str
) -> None:
    assert len(before + ALIKE + after) > MAX_NAME_LENGTH
    name = shortened(before + ALIKE + after)
    assert name == before + after
    assert kept in name


def test_what_a_program_calls_itself_is_cut_to_the_length_of_a_name() -> None:
    assert shortened("kettle/" + "1" * 200) == "kettle/" + "1" * (MAX_NAME_LENGTH - 7)
